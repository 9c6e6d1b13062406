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
		this.#rows.delete(key);
		const row = await look();
		if (row === undefined) return null;
		if (this.#rows.size >= MAX_TRUSTED) this.#rows.clear();
		this.#rows.set(key, { row, until: now + TRUST_MS });
		return row;
	}

	/** Whether a row of this key was found, be it long ago: it may have been revoked since. */
	hasFound(key: string): boolean {
		return this.#rows.has(key);
	}

	/** The next look goes to the database. */
	forget(key: string): void {
		this.#rows.delete(key);
	}
}
