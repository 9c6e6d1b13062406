import { timedCache } from "../platform/timed_cache.ts";

/**
 * How long a found row is trusted without another query. A revocation in another isolate takes as
 * long.
 */
const TRUST_MS = 2_000;
const MAX_TRUSTED = 1_000;

/** Recently found rows, by their lookup key. */
export class TrustedRows<Row extends object> {
	readonly #rows = timedCache<Row>(MAX_TRUSTED, TRUST_MS);
	#evictions = 0;

	/** The row of this key, at most two seconds old; null without one. */
	async get(key: string, look: () => Promise<Row | undefined>): Promise<Row | null> {
		const known = this.#rows.get(key);
		if (known) return known;
		const before = this.#evictions;
		const row = await look();
		// A row that was read while another request revoked one may be the revoked row.
		if (row && before === this.#evictions) this.#rows.set(key, row);
		return row ?? null;
	}

	/** Evicts all rows. */
	evictAll(): void {
		this.#evictions += 1;
		this.#rows.clear();
	}

	/** Evicts a row, so that the next lookup queries the database. */
	evict(key: string): void {
		this.#evictions += 1;
		this.#rows.delete(key);
	}
}
