/** How important a line of the coordinator's own log is, the most important first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whether a line of this level is to be written when only those down to `least` are. */
export function isLogged(level: LogLevel, least: LogLevel): boolean {
	return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(least);
}
