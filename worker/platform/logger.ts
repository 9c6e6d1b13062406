import { isLogged, LOG_LEVELS, type LogLevel } from "../../schema/wire/log_levels.ts";
import type { LogFields } from "../../schema/wire/log_line.ts";

/**
 * The log of the coordinator: one JSON object per line, `{time, level, message, …}`. Fields name
 * things by id (`run`, `job`, `attempt`, `agent`, `request_id`). Credentials and query strings are
 * never logged.
 */

let setting = "info";
let least: LogLevel = "info";

/** Every entry point calls this before it logs. */
export function setLogLevel(level: string): void {
	if (level === setting) return;
	setting = level;
	least = LOG_LEVELS.find((known) => known === level) ?? "info";
}

/** Whether lines of the level trace are written: some cost work to gather. */
export function isTraced(): boolean {
	return isLogged("trace", least);
}

const WRITERS: Record<LogLevel, (line: string) => void> = {
	error: (line) => console.error(line),
	warn: (line) => console.warn(line),
	info: (line) => console.info(line),
	debug: (line) => console.debug(line),
	trace: (line) => console.debug(line),
};

/** @param fields a function is called only if the line is written */
export function log(level: LogLevel, message: string, fields: LogFields | (() => LogFields) = {}): void {
	if (!isLogged(level, least)) return;
	const known = typeof fields === "function" ? fields() : fields;
	WRITERS[level](JSON.stringify({ time: new Date().toISOString(), level, message, ...known }));
}

/** The fields of an error: its stack or message. */
export function errorFields(error: unknown): { error: string } {
	const { stack, message } = error as { stack?: string; message?: string };
	return { error: stack ?? message ?? String(error) };
}
