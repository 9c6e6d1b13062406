import { DatabaseSync } from "node:sqlite";
import { checkParams, type Sql, type SqlValue } from "../../worker/dispatch/core/sql.ts";

/** The core's database over `node:sqlite`, in memory. */
export function nodeSql(): Sql {
	const database = new DatabaseSync(":memory:");
	let depth = 0;
	return {
		all<Row>(text: string, ...params: SqlValue[]): Row[] {
			checkParams(params);
			return database.prepare(text).all(...params) as Row[];
		},
		tx(body) {
			const name = `level_${depth}`;
			database.exec(depth === 0 ? "BEGIN" : `SAVEPOINT ${name}`);
			depth += 1;
			try {
				const result = body();
				database.exec(depth === 1 ? "COMMIT" : `RELEASE ${name}`);
				return result;
			} catch (error) {
				database.exec(depth === 1 ? "ROLLBACK" : `ROLLBACK TO ${name}; RELEASE ${name}`);
				throw error;
			} finally {
				depth -= 1;
			}
		},
	};
}
