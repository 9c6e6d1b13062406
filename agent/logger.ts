const COLORS = { info: "", warn: "\x1b[33m", error: "\x1b[31m" };

// The agent continues when nobody reads its log any more.
process.stderr.on("error", () => undefined);

/** Writes a line to the agent's own log, which a person reads in a terminal or in the journal. */
export function log(level: keyof typeof COLORS, text: string): void {
	const isColored = process.stderr.isTTY && COLORS[level] !== "";
	const time = new Date().toISOString().slice(11, 23);
	process.stderr.write(`${time} agent: ${isColored ? `${COLORS[level]}${text}\x1b[0m` : text}\n`);
}
