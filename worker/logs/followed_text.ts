/** So long a reader hears nothing before it is told that this is no mistake. */
const SILENCE_MS = 30_000;
const NEWLINE = 10;

type Write = (text: string | Uint8Array) => Promise<void>;

/** A text that is followed: what jobs write, byte for byte, and between their lines those of the coordinator. */
export class FollowedText {
	readonly #write: Write;
	readonly #encoder = new TextEncoder();
	#lastWriteAt = Date.now();
	#isAtLineStart = true;

	constructor(write: Write) {
		this.#write = write;
	}

	/** Writes what a job has written. */
	write(bytes: Uint8Array): Promise<void> {
		if (bytes.byteLength === 0) return Promise.resolve();
		this.#lastWriteAt = Date.now();
		this.#isAtLineStart = bytes.at(-1) === NEWLINE;
		return this.#write(bytes);
	}

	/** Writes a line of the coordinator's own. It begins a line: of a job that was lost the last one may be open. */
	notice(line: string): Promise<void> {
		return this.write(this.#encoder.encode(`${this.#isAtLineStart ? "" : "\n"}${line}\n`));
	}

	/** Writes a line if there was none for a while, but none into a line of a job. */
	async stillHere(line: () => string): Promise<void> {
		if (this.#isAtLineStart && Date.now() - this.#lastWriteAt >= SILENCE_MS) await this.notice(line());
	}
}
