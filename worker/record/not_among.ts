import { type AnyColumn, type SQL, sql } from "drizzle-orm";

/** What retention finds and removes in the record. Only runs that have left the queue are touched: nobody else writes their rows then. */

/** All but these; any number of them in one parameter. */
export function notAmong(column: AnyColumn, values: readonly string[]): SQL {
	return sql`${column} NOT IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}
