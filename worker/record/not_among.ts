import { type AnyColumn, type SQL, sql } from "drizzle-orm";

/**
 * Conditions for retention. It deletes only runs that have left the queue: nothing else writes
 * their rows.
 */

/** All rows except these; any number of values in one parameter. */
export function notAmong(column: AnyColumn, values: readonly string[]): SQL {
	return sql`${column} NOT IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}
