/** The levels of the coordinator's own log, the most important first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whether a line of this level is logged if `least` is the least important level. */
export function isLogged(level: LogLevel, least: LogLevel): boolean {
	return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(least);
}
