import { isLogged, LOG_LEVELS, type LogLevel } from "../../schema/wire/log_levels.ts";
import type { LogFields } from "../../schema/wire/log_line.ts";

/** The coordinator's log on stderr: one JSON object per line, from the Worker and from its host. */
export class JsonLog {
	readonly #least: LogLevel;

	constructor(least: LogLevel) {
		this.#least = least;
	}

	write(level: LogLevel, message: string, fields: LogFields = {}): void {
		if (isLogged(level, this.#least))
			process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
	}

	/** Passes on a line of the Worker, which is one object already, or text of workerd itself. */
	pass(text: string, level: string): void {
		if (isLogLine(text)) process.stderr.write(`${text}\n`);
		else this.write(LOG_LEVELS.find((known) => known === level) ?? "info", text, { from: "workerd" });
	}
}

function isLogLine(text: string): boolean {
	if (!text.startsWith("{")) return false;
	try {
		return typeof JSON.parse(text).level === "string";
	} catch {
		return false;
	}
}
