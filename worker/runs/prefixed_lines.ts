import { joined } from "../../schema/wire/bytes.ts";

const NEWLINE = 10;
/** Longer lines are written in parts, as they arrive. */
const MAX_HELD_BYTES = 256 * 1024;

type Write = (bytes: Uint8Array) => Promise<void>;

/** Lets only one of several writers write at a time. */
export class WritersTurn {
	#last: Promise<void> = Promise.resolve();

	/** Waits for the turn. @returns a function that ends it */
	async take(): Promise<() => void> {
		const before = this.#last;
		const { promise, resolve } = Promise.withResolvers<void>();
		this.#last = promise;
		await before;
		return resolve;
	}
}

/**
 * Writes the lines of one of several jobs into one text. Each line begins with the name of the job,
 * and no other job writes into it.
 * A line is written when it is complete; a very long line holds the turn until it ends.
 */
export class PrefixedLines {
	readonly #prefix: Uint8Array;
	readonly #turn: WritersTurn;
	readonly #write: Write;
	#held: Uint8Array[] = [];
	#heldBytes = 0;
	/** Ends the turn of a line whose beginning has been written. */
	#release: (() => void) | null = null;

	constructor(prefix: string, turn: WritersTurn, write: Write) {
		this.#prefix = new TextEncoder().encode(prefix);
		this.#turn = turn;
		this.#write = write;
	}

	async push(bytes: Uint8Array): Promise<void> {
		let rest = bytes;
		if (this.#release) {
			const end = rest.indexOf(NEWLINE) + 1 || rest.byteLength;
			await this.#write(rest.subarray(0, end));
			if (rest[end - 1] === NEWLINE) this.close();
			rest = rest.subarray(end);
		}
		const end = rest.lastIndexOf(NEWLINE) + 1;
		if (end > 0) await this.#writeWhole(rest.subarray(0, end));
		this.#hold(rest.subarray(end));
		if (this.#heldBytes < MAX_HELD_BYTES) return;
		this.#release = await this.#turn.take();
		await this.#write(joined([this.#prefix, ...this.#takeHeld()]));
	}

	/** Ends the log. An incomplete last line gets a newline, because other jobs write after it. */
	async end(): Promise<void> {
		if (this.#release) await this.#write(Uint8Array.of(NEWLINE));
		else if (this.#heldBytes > 0) await this.#writeWhole(Uint8Array.of(NEWLINE));
		this.close();
	}

	/** Releases the turn, even in the middle of a line. */
	close(): void {
		this.#release?.();
		this.#release = null;
	}

	async #writeWhole(bytes: Uint8Array): Promise<void> {
		const parts: Uint8Array[] = [];
		const text = joined([...this.#takeHeld(), bytes]);
		for (let at = 0; at < text.byteLength; ) {
			const end = text.indexOf(NEWLINE, at) + 1;
			parts.push(this.#prefix, text.subarray(at, end));
			at = end;
		}
		const release = await this.#turn.take();
		try {
			await this.#write(joined(parts));
		} finally {
			release();
		}
	}

	#hold(bytes: Uint8Array): void {
		if (bytes.byteLength > 0) this.#held.push(bytes.slice());
		this.#heldBytes += bytes.byteLength;
	}

	#takeHeld(): Uint8Array[] {
		const held = this.#held;
		this.#held = [];
		this.#heldBytes = 0;
		return held;
	}
}
