import { checkParams, type Sql, type SqlValue } from "./core/sql.ts";

/** The core's database over the SQLite storage of a Durable Object. */
export function durableSql(storage: DurableObjectStorage): Sql {
	return {
		all<Row>(text: string, ...params: SqlValue[]): Row[] {
			checkParams(params);
			return storage.sql.exec(text, ...params).toArray() as Row[];
		},
		tx: (body) => storage.transactionSync(body),
	};
}
