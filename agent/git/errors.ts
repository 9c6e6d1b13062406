/** The source could not be fetched: an error of the repository or the network, not of the job. */
export class CheckoutFailed extends Error {
	override name = "CheckoutFailed";
}

/** A git command failed. */
export class GitFailed extends CheckoutFailed {
	override name = "GitFailed";
	/** What git printed. */
	readonly output: string;

	constructor(command: string, output: string) {
		super(`git ${command} failed: ${reasonIn(output)}`);
		this.output = output;
	}
}

const MAX_REASON = 500;

/** The line of git's output that says why it failed: the last error, or else the last line. */
function reasonIn(output: string): string {
	const lines = output
		.split(/[\r\n]+/)
		.map((line) => line.trim())
		.filter((line) => line !== "");
	const at = lines.findLastIndex((line) => /^(fatal|error|remote: error|ERROR):/.test(line));
	if (at === -1) return (lines.at(-1) ?? "it printed nothing").slice(0, MAX_REASON);
	const [line = "", next = ""] = lines.slice(at);
	return (line.endsWith(":") ? `${line} ${next}` : line).slice(0, MAX_REASON);
}
