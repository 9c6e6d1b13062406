/** Changes come in bursts: a page is updated at most this often. */
const LEAST_MS = 500;
/** So late may an update be, whatever came before it. */
const MOST_MS = 5_000;
/** What a page may get at once, and then for each second: less than 100 kB in any first minute. */
const BURST_BYTES = 24_000;
const BYTES_PER_MS = 1.2;

/**
 * How long an open page waits for its next update. One that changes a little is updated at once; one
 * that goes on changing much gets fewer updates, and each has several changes.
 */
export class UpdatePace {
	readonly #now: () => number;
	#allowance = BURST_BYTES;
	#countedAt: number;

	/** @param now a clock in milliseconds */
	constructor(now: () => number) {
		this.#now = now;
		this.#countedAt = now();
	}

	/** An update of this size was sent. */
	spend(bytes: number): void {
		this.#allowance = Math.max(this.#current - bytes, -MOST_MS * BYTES_PER_MS);
		this.#countedAt = this.#now();
	}

	/** How long to wait before the next update, in milliseconds. */
	get waitMs(): number {
		return Math.max(LEAST_MS, -this.#current / BYTES_PER_MS);
	}

	get #current(): number {
		// The clock may have been stepped back.
		const elapsedMs = Math.max(0, this.#now() - this.#countedAt);
		return Math.min(BURST_BYTES, this.#allowance + elapsedMs * BYTES_PER_MS);
	}
}
