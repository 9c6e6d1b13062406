import { sleep } from "./sleep.ts";

/** Answers to followers of all changes take about this share of the coordinator's time, and no more. */
const SHARE = 0.25;
/** So much of it can be saved up: a few followers never wait. */
const MOST_SAVED_MS = 50;

/**
 * Spreads the answers to those who follow all changes. A thousand open pages would otherwise take all
 * the time at each change: they are answered one after the other, and jobs go on in between.
 */
export class FeedBudget {
	readonly #now: () => number;
	#savedMs = MOST_SAVED_MS;
	#countedAt: number;
	/** Resolves once all who came before have had their turn. */
	#line: Promise<void> = Promise.resolve();

	constructor(now: () => number) {
		this.#now = now;
		this.#countedAt = now();
	}

	/** Resolves when the next answer may be made: in the order of the calls. */
	turn(): Promise<void> {
		this.#line = this.#line.then(async () => {
			this.#save();
			if (this.#savedMs < 0) await sleep(-this.#savedMs / SHARE);
		});
		return this.#line;
	}

	/**
	 * Spends about this much in advance. @returns how long to wait before, in milliseconds: each caller
	 * waits by itself, and not for the others
	 */
	reserve(ms: number): number {
		this.spend(ms);
		return this.#savedMs < 0 ? -this.#savedMs / SHARE : 0;
	}

	/** An answer was made that takes about this long. */
	spend(ms: number): void {
		this.#save();
		this.#savedMs -= ms;
	}

	#save(): void {
		const now = this.#now();
		// The clock may have been stepped back.
		this.#savedMs = Math.min(MOST_SAVED_MS, this.#savedMs + Math.max(0, now - this.#countedAt) * SHARE);
		this.#countedAt = now;
	}
}
