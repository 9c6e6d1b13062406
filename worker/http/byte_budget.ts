import { ApiError } from "../../schema/wire/errors.ts";

/**
 * How many bytes of bodies whose sender is not known yet may be held at once. Each chunk asks for its room when it comes; where
 * there is none its reader waits, and so does its sender. The reader that began first is always given room, so that not all of
 * them can wait for each other.
 */
export class ByteBudget {
	readonly #limit: number;
	readonly #longestMs: number;
	#held = 0;
	/** In the order in which they began. */
	readonly #readers = new Set<Reader>();
	#waiting: (() => void)[] = [];

	/** @param longestMs how long a body may be read; what a cancelled request has left behind is given back after that */
	constructor(limit: number, longestMs: number) {
		this.#limit = limit;
		this.#longestMs = longestMs;
	}

	/** A body that is about to be read. */
	begin(): Room {
		const reader: Reader = { beganAt: Date.now(), taken: 0 };
		this.#readers.add(reader);
		this.#evictAbandoned();
		return { take: (bytes) => this.#take(reader, bytes), release: () => this.#release(reader) };
	}

	async #take(reader: Reader, bytes: number): Promise<void> {
		this.#evictAbandoned();
		while (this.#held + bytes > this.#limit && !this.#isFirst(reader)) {
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
			if (!this.#readers.has(reader))
				throw new ApiError("unavailable", "The body was read for too long.", { headers: { "Retry-After": "5" } });
		}
		this.#held += bytes;
		reader.taken += bytes;
	}

	#release(reader: Reader): void {
		if (!this.#readers.delete(reader)) return;
		this.#held -= reader.taken;
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const wake of waiting) wake();
	}

	/** A request that is cancelled is never resumed, and so never releases its room. */
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
	taken: number;
}

export interface Room {
	/** Waits until these bytes may be held. @throws ApiError `unavailable` once the room was given back */
	take(bytes: number): Promise<void>;
	/** Gives back all that was taken. */
	release(): void;
}
