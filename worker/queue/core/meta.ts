import type { Sql } from "./sql.ts";

/** Single values of the queue, by name. */

export function readMeta(sql: Sql, key: string): string | undefined {
	return sql.all<{ value: string }>("SELECT value FROM meta WHERE key = ?", key)[0]?.value;
}

export function writeMeta(sql: Sql, key: string, value: string): void {
	sql.all("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value);
}
