import { DatabaseSync, type StatementSync } from "node:sqlite";

export type Value = string | number | null | Uint8Array;

const READING = /^\s*(SELECT|WITH)/i;

/** A SQLite database in memory whose statements are kept, and that knows whether anything was written. */
export class Database {
	readonly #database = new DatabaseSync(":memory:");
	readonly #statements = new Map<string, { statement: StatementSync; isReading: boolean }>();
	#depth = 0;
	/** Grows with every statement that may have written. */
	writes = 0;

	all<Row>(text: string, ...params: Value[]): Row[] {
		let known = this.#statements.get(text);
		if (!known) {
			known = { statement: this.#database.prepare(text), isReading: READING.test(text) };
			this.#statements.set(text, known);
		}
		if (!known.isReading) this.writes += 1;
		return known.statement.all(...params) as Row[];
	}

	tx<Result>(body: () => Result): Result {
		const name = `level_${this.#depth}`;
		this.#database.exec(this.#depth === 0 ? "BEGIN" : `SAVEPOINT ${name}`);
		this.#depth += 1;
		try {
			const result = body();
			this.#database.exec(this.#depth === 1 ? "COMMIT" : `RELEASE ${name}`);
			return result;
		} catch (error) {
			this.#database.exec(this.#depth === 1 ? "ROLLBACK" : `ROLLBACK TO ${name}; RELEASE ${name}`);
			throw error;
		} finally {
			this.#depth -= 1;
		}
	}
}
