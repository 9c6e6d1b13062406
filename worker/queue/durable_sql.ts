import { isTraced, log } from "../platform/logger.ts";
import { checkParams, type Sql, type SqlValue } from "./core/sql.ts";

/** What the statements of an object have cost, as Cloudflare bills it. */
class StatementCosts {
	#statements = 0;
	#rowsRead = 0;
	#rowsWritten = 0;

	add({ rowsRead, rowsWritten }: { rowsRead: number; rowsWritten: number }): void {
		this.#statements += 1;
		this.#rowsRead += rowsRead;
		this.#rowsWritten += rowsWritten;
		if (this.#statements === 1) queueMicrotask(() => this.#write());
	}

	#write(): void {
		log("trace", "statements", { statements: this.#statements, rows_read: this.#rowsRead, rows_written: this.#rowsWritten });
		[this.#statements, this.#rowsRead, this.#rowsWritten] = [0, 0, 0];
	}
}

/** The core's database over the SQLite storage of a Durable Object. */
export function durableSql(storage: DurableObjectStorage): Sql {
	const costs = new StatementCosts();
	return {
		all<Row>(text: string, ...params: SqlValue[]): Row[] {
			checkParams(params);
			const cursor = storage.sql.exec(text, ...params);
			const rows = cursor.toArray() as Row[];
			if (isTraced()) costs.add(cursor);
			return rows;
		},
		tx: (body) => storage.transactionSync(body),
	};
}
