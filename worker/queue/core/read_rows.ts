import type { Sql, SqlValue } from "./sql.ts";

const WRITES = /^\s*(?:INSERT(?:\s+OR\s+\w+)?\s+INTO|UPDATE|DELETE\s+FROM)\s+(\w+)/i;
const MAX_TEXTS = 2_000;

/**
 * Rows that the present command has read by their id. A row is read again after a statement that
 * writes to its table. Outside of a command nothing is kept.
 */
export class ReadRows {
	/** The database, with an eye on what is written. */
	readonly sql: Sql;
	readonly #tables = new Map<string, Map<string, object>>();
	/** The table that a statement writes to, by its text. */
	readonly #written = new Map<string, string | null>();
	#isOpen = false;

	constructor(sql: Sql) {
		this.sql = {
			all: (text, ...params) => {
				if (this.#isOpen) this.#forgetWritten(text);
				return sql.all(text, ...params);
			},
			tx: (body) => {
				try {
					return sql.tx(body);
				} catch (error) {
					this.#tables.clear();
					throw error;
				}
			},
		};
	}

	/** Runs a command: rows are kept until its end. */
	during<Result>(body: () => Result): Result {
		this.#tables.clear();
		this.#isOpen = true;
		try {
			return body();
		} finally {
			this.#isOpen = false;
			this.#tables.clear();
		}
	}

	/** The row with this id, as a copy of its own. */
	find<Row extends object>(table: string, id: SqlValue): Row | undefined {
		const key = String(id);
		const known = this.#tables.get(table)?.get(key);
		if (known) return { ...known } as Row;
		const [row] = this.sql.all<Row>(`SELECT * FROM ${table} WHERE id = ?`, id);
		if (row && this.#isOpen) {
			const rows = this.#tables.get(table) ?? new Map<string, object>();
			rows.set(key, { ...row });
			this.#tables.set(table, rows);
		}
		return row;
	}

	#forgetWritten(text: string): void {
		let table = this.#written.get(text);
		if (table === undefined) {
			if (this.#written.size >= MAX_TEXTS) this.#written.clear();
			table = WRITES.exec(text)?.[1] ?? null;
			this.#written.set(text, table);
		}
		if (table !== null) this.#tables.get(table)?.clear();
	}
}
