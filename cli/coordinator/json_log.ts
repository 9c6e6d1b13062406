import { isLogged, LOG_LEVELS, type LogLevel } from "../../schema/wire/log_levels.ts";

/** The coordinator's log on stderr: one JSON object per line, those of the Worker and those of its host alike. */
export class Log {
	readonly #least: LogLevel;

	constructor(least: LogLevel) {
		this.#least = least;
	}

	write(level: LogLevel, message: string, fields: Record<string, unknown> = {}): void {
		if (isLogged(level, this.#least))
			process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
	}

	/** A line of the Worker, which is one object already, or words of workerd itself. */
	pass(text: string, level: string): void {
		if (isLine(text)) process.stderr.write(`${text}\n`);
		else this.write(LOG_LEVELS.find((known) => known === level) ?? "info", text, { from: "workerd" });
	}
}

function isLine(text: string): boolean {
	if (!text.startsWith("{")) return false;
	try {
		return typeof JSON.parse(text).level === "string";
	} catch {
		return false;
	}
}
