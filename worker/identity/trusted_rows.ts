/**
 * How long a found row is trusted without another query. A revocation in another isolate takes as
 * long.
 */
const TRUST_MS = 2_000;
const MAX_TRUSTED = 1_000;

/** Recently found rows, by their lookup key. */
export class TrustedRows<Row> {
	readonly #rows = new Map<string, { row: Row; until: number }>();

	/** The row of this key, at most two seconds old; null without one. */
	async get(key: string, look: () => Promise<Row | undefined>): Promise<Row | null> {
		const now = Date.now();
		const known = this.#rows.get(key);
		if (known && known.until > now) return known.row;
		const row = await look();
		this.#rows.delete(key);
		if (row === undefined) return null;
		const [oldest] = this.#rows.keys();
		if (this.#rows.size >= MAX_TRUSTED && oldest !== undefined) this.#rows.delete(oldest);
		this.#rows.set(key, { row, until: now + TRUST_MS });
		return row;
	}

	/** Evicts a row, so that the next lookup queries the database. */
	evict(key: string): void {
		this.#rows.delete(key);
	}
}
