import { checkParams, type Sql, type SqlValue } from "../../worker/queue/core/sql.ts";
import { Database } from "./sqlite.ts";

/** The core's database over `node:sqlite`, in memory. */
export function nodeSql(): Sql {
	const database = new Database();
	return {
		all<Row>(text: string, ...params: SqlValue[]): Row[] {
			checkParams(params);
			return database.all<Row>(text, ...params);
		},
		tx: (body) => database.tx(body),
	};
}
