import { ApiError } from "../../schema/wire/errors.ts";

/**
 * Limits how many bytes of unauthenticated bodies are held at once. A chunk without room waits, and
 * so does its sender.
 * The oldest reader always gets room, which prevents a deadlock.
 */
export class ByteBudget {
	readonly #limit: number;
	readonly #longestMs: number;
	#held = 0;
	/** In the order of their start. */
	readonly #readers = new Set<Reader>();
	#waiting: (() => void)[] = [];

	/**
	 * @param longestMs how long a body may be read; then the room of a cancelled request is
	 * released
	 */
	constructor(limit: number, longestMs: number) {
		this.#limit = limit;
		this.#longestMs = longestMs;
	}

	/** Registers a body before it is read. */
	begin(): Room {
		const reader: Reader = { beganAt: Date.now(), held: 0 };
		this.#readers.add(reader);
		this.#evictAbandoned();
		return { take: (bytes) => this.#take(reader, bytes), release: () => this.#release(reader) };
	}

	async #take(reader: Reader, bytes: number): Promise<void> {
		this.#evictAbandoned();
		while (this.#held + bytes > this.#limit && !this.#isFirst(reader)) {
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
			if (!this.#readers.has(reader))
				throw new ApiError("unavailable", "The upload of the body took too long.", {
					headers: { "Retry-After": "5" },
					suggestions: ["Send it again."],
				});
		}
		this.#held += bytes;
		reader.held += bytes;
	}

	#release(reader: Reader): void {
		if (!this.#readers.delete(reader)) return;
		this.#held -= reader.held;
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const wake of waiting) wake();
	}

	/** A cancelled request is never resumed, and never releases its room itself. */
	#evictAbandoned(): void {
		const before = Date.now() - this.#longestMs;
		for (const reader of this.#readers) {
			if (reader.beganAt >= before) return;
			this.#release(reader);
		}
	}

	#isFirst(reader: Reader): boolean {
		const [first] = this.#readers;
		return first === reader;
	}
}

interface Reader {
	beganAt: number;
	held: number;
}

export interface Room {
	/** Waits for room. @throws ApiError `unavailable` after the room was released */
	take(bytes: number): Promise<void>;
	/** Releases all its room. */
	release(): void;
}
