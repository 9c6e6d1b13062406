import { isLogged, LOG_LEVELS, type LogLevel } from "../../schema/wire/log_levels.ts";

/**
 * The coordinator's own log: one JSON object per line, `{time, level, message, …}`. Fields name things by their ids (`run`, `job`,
 * `attempt`, `agent`, `request_id`); a credential is never among them, and so neither is an address with its query.
 */

let least: LogLevel = "info";

/** Called by everything that has an environment, before it logs. */
export function setLogLevel(level: string): void {
	least = LOG_LEVELS.find((known) => known === level) ?? "info";
}

const WRITERS: Record<LogLevel, (line: string) => void> = {
	error: (line) => console.error(line),
	warn: (line) => console.warn(line),
	info: (line) => console.info(line),
	debug: (line) => console.debug(line),
	trace: (line) => console.debug(line),
};

/** @param fields called only if the line is written, where it takes an effort to know them */
export function log(level: LogLevel, message: string, fields: Record<string, unknown> | (() => Record<string, unknown>) = {}): void {
	if (!isLogged(level, least)) return;
	const known = typeof fields === "function" ? fields() : fields;
	WRITERS[level](JSON.stringify({ time: new Date().toISOString(), level, message, ...known }));
}

/** What an error says, and where it comes from. */
export function errorFields(error: unknown): { error: string } {
	const { stack, message } = error as { stack?: string; message?: string };
	return { error: stack ?? message ?? String(error) };
}
