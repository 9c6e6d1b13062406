/** How a log is given out: as kept; without the times; or without colours, too. */
export const FORMATS_OF_LOGS = ["text", "raw", "clean"] as const;
export type LogFormat = (typeof FORMATS_OF_LOGS)[number];
