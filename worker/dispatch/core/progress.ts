import { isTerminal, type JobState, type Reason, type RunState } from "../../../schema/wire/states.ts";
import { type Core, nextRev } from "./core.ts";
import { noteEvent } from "./events.ts";
import { markDirty } from "./outbox.ts";
import { findJob, findRun, type JobRow, type RunRow } from "./rows.ts";
import { moveJob } from "./transitions.ts";

/** What follows when a job changes: the jobs that need it, and the state of its run. */

/** Queues a blocked job if everything that it needs has succeeded. */
export function queueIfReady(core: Core, job: JobRow): void {
	const missing = core.sql.all(
		"SELECT 1 FROM needs AS n JOIN jobs AS j ON j.id = n.needs_id WHERE n.job_id = ? AND j.state <> 'succeeded' LIMIT 1",
		job.id,
	);
	if (missing.length === 0) moveJob(core, job, "queue", null);
}

/**
 * To be called in the transaction that ended a job: queues the jobs that waited only for it, skips those that can no
 * longer run (and those that need them, in turn), and brings the run up to date.
 */
export function afterJobEnded(core: Core, ended: JobRow): void {
	const isCancelled = findRun(core, ended.run_id)?.cancel_requested === 1;
	const worklist: JobRow[] = [ended];
	for (let job = worklist.pop(); job; job = worklist.pop()) {
		const dependents = core.sql.all<{ job_id: string }>("SELECT job_id FROM needs WHERE needs_id = ?", job.id);
		for (const { job_id } of dependents) {
			const dependent = findJob(core, job_id);
			if (dependent?.state !== "blocked") continue;
			if (job.state === "succeeded") queueIfReady(core, dependent);
			else {
				// Of a run that is being cancelled everything is cancelled, also what needed another cancelled job.
				if (isCancelled && job.state === "cancelled") moveJob(core, dependent, "cancel", cancelledLike(job));
				else moveJob(core, dependent, "skip", needEnded(job));
				worklist.push(dependent);
			}
		}
	}
	updateRun(core, ended.run_id);
}

const OUTCOMES: Partial<Record<JobState, string>> = {
	failed: "failed",
	errored: "errored",
	timed_out: "timed out",
	cancelled: "was cancelled",
	skipped: "was skipped",
};

function cancelledLike(job: JobRow): Reason {
	return { code: "cancelled", text: job.reason_text ?? "Cancelled." };
}

function needEnded(job: JobRow): Reason {
	return { code: "need_failed", text: `Needs ${job.key}, which ${OUTCOMES[job.state] ?? job.state}.` };
}

/** Brings the state of a run in line with its jobs; writes only when something changed. */
export function updateRun(core: Core, runId: string): void {
	const run = findRun(core, runId);
	if (!run || isTerminal(run.state)) return;
	const counts = new Map(
		core.sql
			.all<{ state: JobState; n: number }>("SELECT state, count(*) AS n FROM jobs WHERE run_id = ? GROUP BY state", runId)
			.map(({ state, n }) => [state, n]),
	);
	const next = runStateOf(counts, run.cancel_requested === 1);
	const startedAt = run.started_at ?? (next === "queued" ? null : firstStart(core, runId));
	if (next === run.state && startedAt === run.started_at) return;
	const reason = isTerminal(next) ? runReason(core, run, next) : null;
	core.sql.all(
		"UPDATE runs SET state = ?, reason_code = ?, reason_text = ?, started_at = ?, finished_at = ?, rev = ? WHERE id = ?",
		next,
		reason?.code ?? null,
		reason?.text ?? null,
		startedAt,
		isTerminal(next) ? core.now() : null,
		nextRev(core),
		runId,
	);
	if (next !== run.state) noteEvent(core, { runId, jobId: null, from: run.state, to: next, reason });
	markDirty(core, runId, runId);
}

/**
 * The state of a run whose jobs are in these states. When all are over, the order of precedence is
 * cancelled, failed, timed_out, errored, succeeded; skipped only if every job was.
 */
export function runStateOf(counts: ReadonlyMap<JobState, number>, isCancelRequested: boolean): RunState {
	const has = (...states: JobState[]) => states.some((state) => (counts.get(state) ?? 0) > 0);
	if (has("blocked", "queued", "leased", "running", "cancelling")) {
		if (isCancelRequested) return "cancelling";
		return has("running", "cancelling", "succeeded", "failed", "errored", "timed_out", "cancelled") ? "running" : "queued";
	}
	for (const state of ["cancelled", "failed", "timed_out", "errored", "succeeded"] as const) if (has(state)) return state;
	return "skipped";
}

function firstStart(core: Core, runId: string): number | null {
	return core.sql.all<{ at: number | null }>("SELECT min(started_at) AS at FROM jobs WHERE run_id = ?", runId)[0]?.at ?? null;
}

/** The first job that gave the run its end. */
function runReason(core: Core, run: RunRow, state: RunState): Reason | null {
	if (state === "succeeded" || state === "skipped") return null;
	const job = core.sql.all<{ key: string; reason_code: string | null; reason_text: string | null }>(
		"SELECT key, reason_code, reason_text FROM jobs WHERE run_id = ? AND state = ? ORDER BY finished_at, position LIMIT 1",
		run.id,
		state,
	)[0];
	if (!job?.reason_code) return null;
	return { code: job.reason_code, text: `${job.key}: ${job.reason_text ?? ""}`.slice(0, 2000) };
}
