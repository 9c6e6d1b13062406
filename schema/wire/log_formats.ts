/** The formats of a log: as stored; without the times; also without terminal sequences. */
export const FORMATS_OF_LOGS = ["text", "raw", "clean"] as const;
export type LogFormat = (typeof FORMATS_OF_LOGS)[number];

/** The formats of the logs of a run, which have no times. */
export const FORMATS_OF_FOLLOWED = ["raw", "clean"] as const;
export type FollowedFormat = (typeof FORMATS_OF_FOLLOWED)[number];
