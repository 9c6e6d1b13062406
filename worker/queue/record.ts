import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import { artifacts, attempts, definitions, jobs, runs, transitions } from "../../schema/database/tables.ts";
import type { OutboxBatch } from "./core/record/outbox.ts";

/** One statement has at most this much JSON. D1 stops at 2 MB. */
const MAX_JSON_BYTES = 800_000;

/**
 * The statements that copy a batch to D1, for one transaction. The rows of runs come last, so that
 * a reader who sees a finished run also sees its finished jobs. A newer row in D1 stays as it is.
 */
export function recordStatements(db: D1Database, batch: OutboxBatch): D1PreparedStatement[] {
	return [
		...upsert(db, definitions, batch.definitions, ["digest"]),
		// A repeat may have more transitions than D1 has, or come late and have fewer.
		...upsert(
			db,
			transitions,
			batch.transitions,
			["run_id", "rev"],
			"DO UPDATE SET list = excluded.list WHERE length(excluded.list) > length(transitions.list)",
		),
		...upsert(db, artifacts, batch.artifacts, ["attempt_id", "path"]),
		...upsert(db, attempts, batch.attempts, ["id"]),
		...upsert(db, jobs, batch.jobs, ["id"]),
		...upsert(db, runs, batch.runs, ["id"]),
	];
}

function upsert(db: D1Database, table: SQLiteTable, rows: readonly object[], key: string[], onConflict?: string): D1PreparedStatement[] {
	if (rows.length === 0) return [];
	const name = getTableName(table);
	const columns = Object.keys(getTableColumns(table));
	const isRevised = columns.includes("rev");
	const update = isRevised
		? `DO UPDATE SET ${columns.map((column) => `${column} = excluded.${column}`).join(", ")} WHERE excluded.rev > ${name}.rev`
		: "DO NOTHING";
	const text = `INSERT INTO ${name} (${columns.join(", ")}) SELECT ${columns.map((column) => `value ->> '${column}'`).join(", ")}
		FROM json_each(?) WHERE true ON CONFLICT (${key.join(", ")}) ${onConflict ?? update}`;
	return slices(rows).map((json) => db.prepare(text).bind(json));
}

function slices(rows: readonly object[]): string[] {
	const result: string[] = [];
	let slice: string[] = [];
	let size = 0;
	for (const row of rows) {
		const json = JSON.stringify(row);
		if (size + json.length > MAX_JSON_BYTES && slice.length > 0) {
			result.push(`[${slice.join(",")}]`);
			slice = [];
			size = 0;
		}
		slice.push(json);
		size += json.length;
	}
	result.push(`[${slice.join(",")}]`);
	return result;
}
