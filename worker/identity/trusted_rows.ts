/** A row that was found is trusted for this long without another look: every request has one. Revoking elsewhere takes as long. */
const TRUST_MS = 2_000;
const MAX_TRUSTED = 1_000;

/** Rows that were looked up a moment ago, by what they were looked up by. */
export class TrustedRows<Row> {
	readonly #rows = new Map<string, { row: Row; until: number }>();

	/** The row of this key, as it was at most two seconds ago; null if there is none. */
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

	/** The next look goes to the database. */
	evict(key: string): void {
		this.#rows.delete(key);
	}
}
