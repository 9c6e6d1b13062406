import type { ArtifactRow, TransitionsRow } from "../../../../schema/database/tables.ts";
import { type Core, command, flushChanges } from "../core.ts";
import { readMeta, writeMeta } from "../meta.ts";
import { type AttemptRow, attemptsOf, findRun, type JobRow, jobsOf, type RunRow } from "../rows.ts";

/**
 * The outbox copies the state to D1. It is a set of runs with changed rows, not a log: a row that
 * changed three times is sent once, in its newest form. A batch holds all changed rows of its runs,
 * so that no reader of D1 sees a finished run with unfinished jobs. An entry is deleted only at the
 * revision that was sent.
 */

/**
 * Marks a row that was written with the newest revision as changed. Every statement that changes a
 * row of the record sets `nextRev`, and this call follows it.
 */
export function markDirty(core: Core, runId: string): void {
	const change = core.changed.get(runId);
	if (change) change.rev = core.rev;
	else core.changed.set(runId, { since: core.rev, rev: core.rev });
	core.hints.mayBeDirty = true;
	core.hints.changedRuns.add(runId);
}

/** Rows for D1, of whole runs. */
export interface OutboxBatch {
	/** The runs, with the newest revision of each. */
	sent: { run_id: string; rev: number }[];
	/** The changed rows. */
	entries: { id: string; run_id: string; rev: number }[];
	definitions: { digest: string; json: string }[];
	runs: RunRow[];
	jobs: JobRow[];
	attempts: AttemptRow[];
	artifacts: ArtifactRow[];
	transitions: TransitionsRow[];
	/** The rows of the queue that became `transitions`. */
	sentTransitions: [runId: string, rev: number][];
}

interface OutboxRow {
	run_id: string;
	/** Rows of the run with this revision or a newer one have changed. */
	since: number;
	rev: number;
}

/**
 * All changed rows of the runs that have waited longest.
 * @param maxRuns how many runs at most; one run is always sent whole
 * @returns null if nothing has changed
 */
export function nextBatch(core: Core, maxRuns: number): OutboxBatch | null {
	const waiting = core.sql.all<OutboxRow>("SELECT run_id, since, rev FROM outbox ORDER BY since LIMIT ?", maxRuns);
	return waiting.length === 0 ? null : batchWith(core, waiting);
}

/** The changed rows of these runs. */
export function batchOf(core: Core, runIds: string[]): OutboxBatch {
	return batchWith(
		core,
		core.sql.all<OutboxRow>(
			"SELECT o.* FROM json_each(?) AS wanted CROSS JOIN outbox AS o ON o.run_id = wanted.value",
			JSON.stringify(runIds),
		),
	);
}

function batchWith(core: Core, waiting: readonly OutboxRow[]): OutboxBatch {
	const list = JSON.stringify(waiting.map(({ run_id }) => run_id));
	const since = new Map(waiting.map((row) => [row.run_id, row.since]));
	const isChanged = ({ run_id, rev }: { run_id: string; rev: number }) => rev >= (since.get(run_id) as number);
	const runs = waiting.flatMap(({ run_id }) => findRun(core, run_id) ?? []).filter((run) => isChanged({ run_id: run.id, rev: run.rev }));
	const jobs = waiting.flatMap(({ run_id }) => jobsOf(core, run_id)).flatMap((job) => (isChanged(job) ? { ...job } : []));
	const attempts = waiting
		.flatMap(({ run_id }) => attemptsOf(core, run_id))
		.flatMap((attempt) => (isChanged(attempt) ? { ...attempt } : []));
	const finished = attempts.flatMap(({ id, finished_at }) => (finished_at === null ? [] : id));
	const transitions = core.sql.all<TransitionsRow>(
		"SELECT t.* FROM json_each(?) AS wanted CROSS JOIN transitions AS t ON t.run_id = wanted.value ORDER BY t.run_id, t.rev",
		list,
	);
	return {
		sent: waiting.map(({ run_id, rev }) => ({ run_id, rev })),
		entries: [
			...runs.map(({ id, rev }) => ({ id, run_id: id, rev })),
			...[...jobs, ...attempts].map(({ id, run_id, rev }) => ({ id, run_id, rev })),
		],
		definitions: definitionsOf(core, runs),
		runs,
		jobs,
		attempts,
		artifacts:
			finished.length === 0
				? []
				: core.sql.all(
						"SELECT a.* FROM json_each(?) AS wanted CROSS JOIN artifacts AS a ON a.attempt_id = wanted.value",
						JSON.stringify(finished),
					),
		transitions: joinedByRun(transitions),
		sentTransitions: transitions.map(({ run_id, rev }) => [run_id, rev]),
	};
}

function definitionsOf(core: Core, runs: readonly RunRow[]): OutboxBatch["definitions"] {
	const digests = JSON.stringify([...new Set(runs.map((run) => run.definition))]);
	return core.sql.all("SELECT d.* FROM json_each(?) AS wanted CROSS JOIN definitions AS d ON d.digest = wanted.value", digests);
}

/** One row for each run. A repeat with more transitions replaces it in D1. */
function joinedByRun(rows: readonly TransitionsRow[]): TransitionsRow[] {
	return [...Map.groupBy(rows, ({ run_id }) => run_id).values()].map((ofRun) => ({
		...(ofRun[0] as TransitionsRow),
		list: `[${ofRun.map(({ list }) => list.slice(1, -1)).join()}]`,
	}));
}

/**
 * Records that D1 has this batch. Runs without a newer change leave the outbox, and finished runs
 * leave the queue.
 */
export function acknowledgeBatch(core: Core, batch: OutboxBatch): void {
	command(core, () => {
		// D1 has accepted a newer form of a row that it had rejected.
		if (core.hints.mayHaveDeadRows) {
			core.sql.all(
				"DELETE FROM outbox_dead WHERE EXISTS (SELECT 1 FROM json_each(?) WHERE value ->> 'id' = outbox_dead.id AND value ->> 'rev' >= outbox_dead.rev)",
				JSON.stringify(batch.entries),
			);
			core.hints.mayHaveDeadRows = core.sql.all("SELECT 1 FROM outbox_dead LIMIT 1").length > 0;
		}
		if (batch.sentTransitions.length > 0) {
			core.sql.all(
				"DELETE FROM transitions WHERE (run_id, rev) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
				JSON.stringify(batch.sentTransitions),
			);
		}
		if (batch.sent.length === 0) return;
		const sent = JSON.stringify(batch.sent);
		const done = core.sql.all<{ run_id: string }>(
			"DELETE FROM outbox WHERE (run_id, rev) IN (SELECT value ->> 'run_id', value ->> 'rev' FROM json_each(?)) RETURNING run_id",
			sent,
		);
		if (done.length < batch.sent.length) {
			core.sql.all(
				`UPDATE outbox SET since = sent.value ->> 'rev' + 1 FROM json_each(?) AS sent
				WHERE outbox.run_id = sent.value ->> 'run_id' AND outbox.rev > sent.value ->> 'rev'`,
				sent,
			);
		}
		evictDone(
			core,
			done.map(({ run_id }) => run_id),
		);
	});
}

/** Sets a row aside that D1 rejects, so that other rows are sent. `/readyz` shows it. */
export function buryEntry(core: Core, entry: { id: string; run_id: string; rev: number }, error: string): void {
	command(core, () => {
		core.sql.all(
			"INSERT OR REPLACE INTO outbox_dead (id, run_id, rev, error, at) VALUES (?, ?, ?, ?, ?)",
			entry.id,
			entry.run_id,
			entry.rev,
			error.slice(0, 500),
			core.now(),
		);
		core.hints.mayHaveDeadRows = true;
	});
}

/** Sends the rejected rows again: D1 may be repaired, or this version may send what D1 accepts. */
export function retryDeadEntries(core: Core): void {
	core.sql.all(
		`INSERT INTO outbox (run_id, since, rev) SELECT run_id, min(rev), max(rev) FROM outbox_dead WHERE true GROUP BY run_id
		ON CONFLICT (run_id) DO UPDATE SET since = min(since, excluded.since)`,
	);
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

/** How many runs wait for D1, and how many rows D1 has rejected. */
export function outboxDepth(core: Core): { waiting: number; dead: number } {
	return {
		waiting: core.sql.all<{ n: number }>("SELECT count(*) AS n FROM outbox")[0]?.n ?? 0,
		dead: core.sql.all<{ n: number }>("SELECT count(*) AS n FROM outbox_dead")[0]?.n ?? 0,
	};
}

/** Of more runs, the newest ones are looked at. */
const MOST_UNRECORDED = 1_000;

/** The runs before this one that D1 may not have, or not in their newest form; newest first. */
export function unrecordedBefore(core: Core, runId: string): RunRow[] {
	return core.sql
		.all<{ run_id: string }>("SELECT run_id FROM outbox WHERE run_id < ? ORDER BY run_id DESC LIMIT ?", runId, MOST_UNRECORDED)
		.flatMap(({ run_id }) => findRun(core, run_id) ?? []);
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
	flushChanges(core);
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
	for (const table of ["artifacts", "transitions"]) core.sql.all(`DELETE FROM ${table} WHERE run_id ${of}`, list);
	for (const table of ["attempts", "jobs"]) core.rows.deleteWhere(table, "run_id", ids);
	core.rows.deleteWhere("runs", "id", ids);
	core.sql.all(
		`DELETE FROM definitions WHERE digest ${of} AND NOT EXISTS (SELECT 1 FROM runs WHERE definition = definitions.digest)`,
		JSON.stringify([...new Set(done.map(({ definition }) => definition))]),
	);
}
