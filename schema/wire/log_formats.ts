/** How a log is given out: as kept; without the times; or without colours, too. */
export const FORMATS_OF_LOGS = ["text", "raw", "clean"] as const;
export type LogFormat = (typeof FORMATS_OF_LOGS)[number];

/** How the logs of a run are given out: without the times. */
export const FORMATS_OF_FOLLOWED = ["raw", "clean"] as const;
export type FollowedFormat = (typeof FORMATS_OF_FOLLOWED)[number];
