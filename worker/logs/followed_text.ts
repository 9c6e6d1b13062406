/** After this time without output, a follower gets a line that says that the job still runs. */
const SILENCE_MS = 30_000;
const NEWLINE = 10;

type Write = (text: string | Uint8Array) => Promise<void>;

/**
 * A text that a reader follows: the output of jobs, byte for byte, with lines of the coordinator
 * between.
 */
export class FollowedText {
	readonly #write: Write;
	readonly #encoder = new TextEncoder();
	#lastWriteAt = Date.now();
	#isAtLineStart = true;

	constructor(write: Write) {
		this.#write = write;
	}

	/** Writes output of a job. */
	write(bytes: Uint8Array): Promise<void> {
		if (bytes.byteLength === 0) return Promise.resolve();
		this.#lastWriteAt = Date.now();
		this.#isAtLineStart = bytes.at(-1) === NEWLINE;
		return this.#write(bytes);
	}

	/**
	 * Writes a line of the coordinator. It begins a new line: a lost job may have left an
	 * incomplete line.
	 */
	notice(line: string): Promise<void> {
		return this.write(this.#encoder.encode(`${this.#isAtLineStart ? "" : "\n"}${line}\n`));
	}

	/** Writes a line after a silence, unless a line of a job is incomplete. */
	async keepAlive(line: () => string): Promise<void> {
		if (this.#isAtLineStart && Date.now() - this.#lastWriteAt >= SILENCE_MS) await this.notice(line());
	}
}
