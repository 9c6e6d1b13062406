/**
 * How many bytes of bodies whose sender is not known yet may be held at once. Each chunk asks for its room when it comes; where
 * there is none its reader waits, and so does its sender. The reader that began first is always given room, so that not all of
 * them can wait for each other.
 */
export class ByteBudget {
	readonly #limit: number;
	#held = 0;
	/** In the order in which they began. */
	readonly #readers = new Set<object>();
	#waiting: (() => void)[] = [];

	constructor(limit: number) {
		this.#limit = limit;
	}

	/** A body that is about to be read; `release` gives back all that it took. */
	begin(): { take(bytes: number): Promise<void>; release(): void } {
		const reader = {};
		let taken = 0;
		this.#readers.add(reader);
		return {
			take: async (bytes) => {
				while (this.#held + bytes > this.#limit && !this.#isFirst(reader)) {
					await new Promise<void>((resolve) => this.#waiting.push(resolve));
				}
				this.#held += bytes;
				taken += bytes;
			},
			release: () => {
				this.#readers.delete(reader);
				this.#held -= taken;
				taken = 0;
				const waiting = this.#waiting;
				this.#waiting = [];
				for (const wake of waiting) wake();
			},
		};
	}

	#isFirst(reader: object): boolean {
		const [first] = this.#readers;
		return first === reader;
	}
}
