const COLORS = { info: "", warn: "\x1b[33m", error: "\x1b[31m" };

// Whoever read this may be gone; an agent works on without being heard.
process.stderr.on("error", () => undefined);

/** A line of the agent's own, for the person at its terminal or the journal. */
export function say(level: keyof typeof COLORS, text: string): void {
	const isColored = process.stderr.isTTY && COLORS[level] !== "";
	const time = new Date().toISOString().slice(11, 23);
	process.stderr.write(`${time} agent: ${isColored ? `${COLORS[level]}${text}\x1b[0m` : text}\n`);
}
