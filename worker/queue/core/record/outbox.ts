import type { ArtifactRow, AttemptRow, EventRow, JobRow, RunRow } from "../../../../schema/database/tables.ts";
import { type Core, command, flushChanged, readMeta, writeMeta } from "../core.ts";

/**
 * The outbox copies the state to D1. It is a set of changed rows, not a log: a row that changed
 * three times is sent once, in its newest form. A batch holds all changed rows of its runs, so that
 * no reader of D1 sees a finished run with unfinished jobs. An entry is deleted only at the
 * revision that was sent.
 */

/**
 * Marks a row that was written with the newest revision as changed. Every statement that changes a
 * row of the record sets `nextRev`, and this call follows it.
 */
export function markDirty(core: Core, id: string, runId: string): void {
	core.changed.set(id, { runId, rev: core.rev });
	core.hints.mayBeDirty = true;
	core.hints.changedRuns.add(runId);
}

/** Rows for D1, of whole runs. */
export interface OutboxBatch {
	entries: { id: string; run_id: string; rev: number }[];
	definitions: { digest: string; json: string }[];
	runs: RunRow[];
	jobs: JobRow[];
	attempts: AttemptRow[];
	artifacts: ArtifactRow[];
	events: EventRow[];
}

/**
 * All changed rows of the runs that have waited longest.
 * @param maxRuns how many runs at most; one run is always sent whole
 * @returns null if nothing has changed
 */
export function nextBatch(core: Core, maxRuns: number): OutboxBatch | null {
	const runIds = new Set(
		core.sql
			.all<{ run_id: string }>("SELECT run_id FROM outbox ORDER BY rev LIMIT ?", maxRuns * 4)
			.map((entry) => entry.run_id)
			.slice(0, maxRuns),
	);
	return runIds.size === 0 ? null : batchOf(core, [...runIds]);
}

/** The changed rows of these runs. */
export function batchOf(core: Core, runIds: string[]): OutboxBatch {
	const list = JSON.stringify(runIds);
	const dirty = (table: string) =>
		`SELECT t.* FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.run_id = wanted.value CROSS JOIN ${table} AS t ON t.id = o.id`;
	const attempts = core.sql.all<AttemptRow>(dirty("attempts"), list);
	const finished = JSON.stringify(attempts.filter((attempt) => attempt.finished_at !== null).map((attempt) => attempt.id));
	const runs = core.sql.all<RunRow>(dirty("runs"), list);
	const digests = JSON.stringify([...new Set(runs.map((run) => run.definition))]);
	return {
		entries: core.sql.all("SELECT o.* FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.run_id = wanted.value", list),
		definitions: core.sql.all("SELECT d.* FROM json_each(?) AS wanted CROSS JOIN definitions AS d ON d.digest = wanted.value", digests),
		runs,
		jobs: core.sql.all<JobRow>(dirty("jobs"), list),
		attempts,
		artifacts: core.sql.all("SELECT a.* FROM json_each(?) AS wanted CROSS JOIN artifacts AS a ON a.attempt_id = wanted.value", finished),
		events: core.sql.all("SELECT e.* FROM json_each(?) AS wanted CROSS JOIN events AS e ON e.run_id = wanted.value", list),
	};
}

/**
 * Records that D1 has this batch. Rows without a newer change leave the outbox, and finished runs
 * leave the queue.
 */
export function acknowledgeBatch(core: Core, batch: OutboxBatch): void {
	command(core, () => {
		const entries = JSON.stringify(batch.entries);
		core.sql.all(`DELETE FROM outbox WHERE (id, rev) IN (SELECT value ->> 'id', value ->> 'rev' FROM json_each(?))`, entries);
		// D1 has accepted a newer form of a row that it had rejected.
		core.sql.all(
			"DELETE FROM outbox_dead WHERE EXISTS (SELECT 1 FROM json_each(?) WHERE value ->> 'id' = outbox_dead.id AND value ->> 'rev' >= outbox_dead.rev)",
			entries,
		);
		core.sql.all("DELETE FROM events WHERE rev IN (SELECT value FROM json_each(?))", JSON.stringify(batch.events.map(({ rev }) => rev)));
		evictDone(core, [...new Set(batch.entries.map((entry) => entry.run_id))]);
	});
}

/** Sets a row aside that D1 rejects, so that other rows are sent. `/readyz` shows it. */
export function buryEntry(core: Core, entry: { id: string; run_id: string; rev: number }, error: string): void {
	command(core, () => {
		core.sql.all("DELETE FROM outbox WHERE id = ? AND rev = ?", entry.id, entry.rev);
		core.sql.all(
			"INSERT OR REPLACE INTO outbox_dead (id, run_id, rev, error, at) VALUES (?, ?, ?, ?, ?)",
			entry.id,
			entry.run_id,
			entry.rev,
			error.slice(0, 500),
			core.now(),
		);
	});
}

/** Sends the rejected rows again: D1 may be repaired, or this version may send what D1 accepts. */
export function retryDeadEntries(core: Core): void {
	core.sql.all("INSERT INTO outbox (id, run_id, rev) SELECT id, run_id, rev FROM outbox_dead WHERE true ON CONFLICT DO NOTHING");
	core.sql.all("DELETE FROM outbox_dead");
	core.hints.mayBeDirty = true;
}

/** Whether any row waits for D1. */
export function isDirty(core: Core): boolean {
	if (!core.hints.mayBeDirty) return false;
	const isDirty = core.sql.all("SELECT 1 FROM outbox LIMIT 1").length > 0;
	core.hints.mayBeDirty = isDirty;
	return isDirty;
}

/** How many rows wait for D1, and how many D1 has rejected. */
export function outboxDepth(core: Core): { waiting: number; dead: number } {
	return {
		waiting: core.sql.all<{ n: number }>("SELECT count(*) AS n FROM outbox")[0]?.n ?? 0,
		dead: core.sql.all<{ n: number }>("SELECT count(*) AS n FROM outbox_dead")[0]?.n ?? 0,
	};
}

/** The highest revision among rows that have left the queue. Older rows are in D1. */
export function departedRev(core: Core): number {
	return Number(readMeta(core.sql, "departed_rev") ?? 0);
}

/**
 * Evicts those of these runs that have ended, that D1 has completely, and whose effects and logs
 * are done. Call it inside a command.
 */
export function evictDone(core: Core, runIds: readonly string[]): void {
	if (runIds.length === 0) return;
	core.rows.flush();
	flushChanged(core);
	const done = core.sql.all<{ id: string; definition: string }>(
		`SELECT r.id, r.definition FROM json_each(?) AS wanted CROSS JOIN runs AS r ON r.id = wanted.value WHERE r.finished_at IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE run_id = r.id) AND NOT EXISTS (SELECT 1 FROM outbox_dead WHERE run_id = r.id)
		AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.run_id = r.id
			AND ((a.log_archived = 0 AND a.log_held = 0) OR EXISTS (SELECT 1 FROM effects AS e WHERE e.key = a.id)))`,
		JSON.stringify(runIds),
	);
	if (done.length === 0) return;
	const ids = done.map(({ id }) => id);
	const list = JSON.stringify(ids);
	const of = "IN (SELECT value FROM json_each(?1))";
	const [newest] = core.sql.all<{ rev: number }>(
		`SELECT max(rev) AS rev FROM (SELECT rev FROM runs WHERE id ${of} UNION ALL SELECT rev FROM jobs WHERE run_id ${of}
		UNION ALL SELECT rev FROM attempts WHERE run_id ${of})`,
		list,
	);
	writeMeta(core.sql, "departed_rev", String(Math.max(newest?.rev ?? 0, departedRev(core))));
	for (const table of ["needs", "declines"])
		core.sql.all(`DELETE FROM ${table} WHERE job_id IN (SELECT id FROM jobs WHERE run_id ${of})`, list);
	for (const table of ["artifacts", "events"]) core.sql.all(`DELETE FROM ${table} WHERE run_id ${of}`, list);
	for (const table of ["attempts", "jobs"]) core.rows.deleteWhere(table, "run_id", ids);
	core.rows.deleteWhere("runs", "id", ids);
	core.sql.all(
		`DELETE FROM definitions WHERE digest ${of} AND NOT EXISTS (SELECT 1 FROM runs WHERE definition = definitions.digest)`,
		JSON.stringify([...new Set(done.map(({ definition }) => definition))]),
	);
}
