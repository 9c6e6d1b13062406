import { formatDuration } from "../../../../schema/wire/duration.ts";
import { aggregateState, isTerminal, type JobState, type Reason, type RunState } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { recordComparisonEnd } from "../discovery/comparisons.ts";
import { recordScheduleSuccess } from "../discovery/schedules.ts";
import { requestApprovalNotifications, requestNotifications } from "../effects/notifications.ts";
import { updateStatus } from "../effects/statuses.ts";
import { recordTransition } from "../record/events.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, findJob, findRun, type JobRow, jobsOf, type RunRow } from "../rows.ts";
import { clearTimers, setTimer } from "../timers.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";
import { expandMatrix } from "./expand_matrix.ts";
import { failFast, wasEndedEarly } from "./fail_fast.ts";
import { GROUP_SLOT, groupName, jobsBefore, nextToAdmit } from "./groups.ts";
import { waitForRoom, waitingForRoom } from "./max_parallel.ts";
import { decideJob, hasFailed } from "./readiness.ts";
import { stopJob } from "./stop.ts";
import { moveJob } from "./transitions.ts";

/** What follows from a change of a job: for the jobs that need it, its group, and its run. */

/**
 * Moves a blocked job as far as it can go: past its needs and condition, its approval, and its
 * run's group, into the queue.
 * @returns true if the job has ended meanwhile
 */
export function advance(core: Core, job: JobRow): boolean {
	if (job.state !== "blocked" || isPausing(core, job)) return false;
	const decision = decideJob(core, job);
	if (decision.is === "waiting") return false;
	if (decision.is !== "ready") {
		moveJob(core, job, decision.is === "skipped" ? "skip" : "abandon", decision.reason);
		return true;
	}
	if (definitionOf(core, job).expansion !== null) return advanceMatrix(core, job);
	const run = findRun(core, job.run_id) as RunRow;
	if (needsRunApproval(run))
		restate(core, job, { code: "run_approval", text: "Waits for the approval of this run, which comes from a fork." });
	else if (needsJobApproval(core, job)) awaitApproval(core, job);
	else if (run.group_key !== null && run.holds_group !== GROUP_SLOT.held) {
		restate(core, job, { code: "concurrency", text: `Waits until the group ${groupName(run.group_key)} has room for this run.` });
	} else {
		const wait = waitForRoom(core, job);
		if (wait !== null) restate(core, job, wait);
		else {
			moveJob(core, job, "queue", null);
			supersedeBefore(core, job, run);
		}
	}
	return false;
}

/** Makes the matrix jobs of a job whose matrix is known by now, and moves them as far as they can go. */
function advanceMatrix(core: Core, job: JobRow): boolean {
	const jobs = expandMatrix(core, job);
	if (!Array.isArray(jobs)) {
		moveJob(core, job, "abandon", jobs);
		return true;
	}
	const [, ...others] = jobs;
	Object.assign(job, jobs[0]);
	const hasEnded = advance(core, job);
	for (const { id } of others) {
		// Read again: the jobs before may have ended it.
		const other = findJob(core, id) as JobRow;
		if (advance(core, other)) afterJobEnded(core, other);
	}
	return hasEnded;
}

/** Lets matrix jobs into the queue that waited for another one of their job. */
export function admitMatrixJobs(core: Core, job: JobRow): void {
	for (const waiting of waitingForRoom(core, job)) if (advance(core, waiting)) afterJobEnded(core, waiting);
}

/** Reasons of a job that waits for a time: before a retry, or while it is snoozed. */
const PAUSES: ReadonlySet<string> = new Set(["backoff", "secrets"]);

/** Whether the job waits for the end of a pause. */
function isPausing(core: Core, job: JobRow): boolean {
	return PAUSES.has(job.reason_code ?? "") && core.sql.all("SELECT 1 FROM timers WHERE kind = 'backoff' AND id = ?", job.id).length > 0;
}

/** How long a run of a fork may wait for its approval. */
export const RUN_APPROVAL_MS = 30 * 24 * 60 * 60_000;

/**
 * Whether the run comes from a fork and is not approved. A discovery run executes nothing of the
 * fork.
 */
export function needsRunApproval(run: RunRow): boolean {
	return run.is_trusted === 0 && run.kind === "pipeline" && run.approved_by === null;
}

function needsJobApproval(core: Core, job: JobRow): boolean {
	return job.approved_by === null && definitionOf(core, job).approval !== null;
}

function awaitApproval(core: Core, job: JobRow): void {
	if (job.reason_code === "approval") return;
	const { approval } = definitionOf(core, job);
	const how = (approval?.count ?? 1) > 1 ? `${approval?.count} approvals` : "an approval";
	restate(core, job, { code: "approval", text: waiting(approval, how, "") });
	requestApprovalNotifications(core, findRun(core, job.run_id) as RunRow, job.id);
	if (approval?.timeout_ms) setTimer(core, "approval", job.id, core.now() + approval.timeout_ms);
}

/** Some have approved a job, and others are still to. */
export function awaitMore(core: Core, job: JobRow, missing: number, names: string): void {
	const { approval } = definitionOf(core, job);
	const more = `${missing} more ${missing === 1 ? "approval" : "approvals"}`;
	restate(core, job, { code: "approval", text: waiting(approval, more, ` after ${names}`) });
}

function waiting(approval: ReturnType<typeof definitionOf>["approval"], how: string, after: string): string {
	const within = approval?.timeout_ms ? ` (within ${formatDuration(approval.timeout_ms)})` : "";
	return `Waits for ${how}${after}${within}${approval?.message ? `: ${approval.message}` : "."}`;
}

/** Changes the reason of a blocked job. */
function restate(core: Core, job: JobRow, reason: Reason): void {
	if (job.reason_code === reason.code && job.reason_text === reason.text) return;
	changeRow(core, "jobs", job.id, { reason_code: reason.code, reason_text: reason.text, rev: nextRev(core) });
	job.reason_code = reason.code;
	job.reason_text = reason.text;
	markDirty(core, job.run_id);
}

/**
 * Cancels the earlier jobs of the group, for a job with `cancel_in_progress`. The job waits until
 * they have ended.
 */
function supersedeBefore(core: Core, job: JobRow, run: RunRow): void {
	if (job.group_key === null || !definitionOf(core, job).concurrency?.cancel_in_progress) return;
	for (const before of jobsBefore(core, job)) {
		stopJob(core, before, "cancel", { code: "superseded", text: `Superseded by ${job.name} of run #${run.number}.` });
		if (isTerminal(before.state)) afterJobEnded(core, before);
		else updateRun(core, before.run_id);
	}
}

/**
 * Call it in the transaction that ended a job: it advances the jobs that waited for it, applies
 * `fail_fast`, and updates the run.
 */
export function afterJobEnded(core: Core, ended: JobRow): void {
	const isCancelled = findRun(core, ended.run_id)?.cancel_requested !== 0;
	const worklist: JobRow[] = [ended];
	for (let job = worklist.pop(); job; job = worklist.pop()) {
		if (hasFailed(job)) worklist.push(...failFast(core, job));
		for (const id of waitingFor(core, job)) {
			const dependent = findJob(core, id);
			if (dependent?.state !== "blocked") continue;
			// In a run that is being cancelled, a job that needs a cancelled job is cancelled too.
			if (isCancelled && job.state === "cancelled") {
				stopJob(core, dependent, "cancel", { code: job.reason_code ?? "cancelled", text: job.reason_text ?? "Cancelled." });
				worklist.push(dependent);
			} else if (advance(core, dependent)) worklist.push(dependent);
		}
		if (!isCancelled) for (const waiting of waitingForRoom(core, job)) if (advance(core, waiting)) worklist.push(waiting);
	}
	updateRun(core, ended.run_id);
}

/**
 * The blocked jobs that need this one, also indirectly through jobs that have ended before it:
 * conditions such as `always()` wait for those too.
 */
function waitingFor(core: Core, job: JobRow): string[] {
	if (!jobsOf(core, job.run_id).some(({ state }) => state === "blocked")) return [];
	const rows = core.sql.all<{ id: string }>(
		`WITH RECURSIVE dependents(id) AS (
			SELECT job_id FROM needs WHERE needs_id = ?
			UNION SELECT n.job_id FROM dependents AS d JOIN jobs AS j ON j.id = d.id JOIN needs AS n ON n.needs_id = d.id WHERE j.finished_at IS NOT NULL
		)
		SELECT j.id FROM dependents AS d JOIN jobs AS j ON j.id = d.id WHERE j.state = 'blocked' ORDER BY j.position`,
		job.id,
	);
	return rows.map(({ id }) => id);
}

/** What a job means for the state of its run. */
interface Standing {
	/**
	 * The state of the job. A job that another one ended counts as skipped, a job that was allowed
	 * to fail as succeeded.
	 */
	outcome: JobState;
	/** Why it is blocked. */
	reason_code: string | null;
}

function standingOf(job: Readonly<JobRow>): Standing {
	const outcome = wasEndedEarly(job) ? "skipped" : isWarning(job) ? "succeeded" : job.state;
	return { outcome, reason_code: job.state === "blocked" ? job.reason_code : null };
}

/** Whether the job has failed and was allowed to. */
function isWarning({ state, allow_failure }: Readonly<JobRow>): boolean {
	return allow_failure === 1 && (state === "failed" || state === "errored" || state === "timed_out");
}

/** Updates the state of a run from its jobs. Writes only a change. */
export function updateRun(core: Core, runId: string): void {
	const run = findRun(core, runId);
	if (!run || isTerminal(run.state)) return;
	const jobs = jobsOf(core, runId);
	const next = runStateOf(jobs.map(standingOf), run.cancel_requested);
	const warnings = jobs.filter(isWarning).length;
	const startedAt = run.started_at ?? (next === "queued" || next === "waiting" ? null : firstStart(jobs));
	if (next !== run.state || startedAt !== run.started_at || warnings !== run.warnings) {
		writeRun(core, run, next, startedAt, warnings);
	}
	if (run.group_key !== null) passGroup(core, run, next);
}

function writeRun(core: Core, run: RunRow, next: RunState, startedAt: number | null, warnings: number): void {
	setRun(core, run, { state: next, reason: isTerminal(next) ? runReason(core, run, next) : null, startedAt, warnings });
	const { timeout_ms } = pipelineOf(core, run);
	if (next === "succeeded" && run.trigger_kind === "schedule" && run.kind === "pipeline") recordScheduleSuccess(core, run);
	if (isTerminal(next)) {
		if (timeout_ms !== null || run.is_trusted === 0) clearTimers(core, ["run_timeout", "run_approval"], run.id);
	} else if (startedAt !== null && run.started_at === null) {
		if (timeout_ms !== null) setTimer(core, "run_timeout", run.id, core.now() + timeout_ms);
	}
}

/** Ends a run without jobs to run. Call it inside a command. */
export function endRun(core: Core, run: RunRow, state: RunState, reason: Reason): void {
	setRun(core, run, { state, reason, startedAt: null, warnings: 0 });
}

/**
 * The only function that writes the state of a run. It also reports the state to the record, the
 * forge and the recipients.
 */
function setRun(
	core: Core,
	run: RunRow,
	{ state: next, reason, startedAt, warnings }: { state: RunState; reason: Reason | null; startedAt: number | null; warnings: number },
): void {
	changeRow(core, "runs", run.id, {
		...{ state: next, reason_code: reason?.code ?? null, reason_text: reason?.text ?? null, started_at: startedAt, warnings },
		...{ finished_at: isTerminal(next) ? core.now() : null, rev: nextRev(core) },
	});
	if (next !== run.state) recordTransition(core, { runId: run.id, jobId: null, from: run.state, to: next, reason });
	markDirty(core, run.id);
	if (next === run.state) return;
	updateStatus(core, run.id);
	requestNotifications(core, run, next);
	if (run.kind === "comparison" && isTerminal(next)) recordComparisonEnd(core, run, next, reason);
}

/**
 * Updates the group slot of a run after a new state: the slot becomes free, or the run asks for
 * one.
 */
function passGroup(core: Core, run: RunRow, state: RunState): void {
	const group = run.group_key as string;
	const keepsSlot = pipelineOf(core, run).concurrency?.hold_during_approval ?? false;
	const letsGo = isTerminal(state) || (state === "waiting" && !keepsSlot);
	if (run.holds_group === GROUP_SLOT.held && letsGo) changeRow(core, "runs", run.id, { holds_group: GROUP_SLOT.wanted });
	admitRuns(core, group);
}

/** Admits runs of a group while it has room. */
export function admitRuns(core: Core, group: string): void {
	for (let run = nextToAdmit(core, group); run; run = nextToAdmit(core, group)) {
		changeRow(core, "runs", run.id, { holds_group: GROUP_SLOT.held });
		const waiting = core.sql.all<JobRow>(
			"SELECT * FROM jobs WHERE run_id = ? AND state = 'blocked' AND reason_code = 'concurrency' ORDER BY position",
			run.id,
		);
		for (const job of waiting) if (advance(core, job)) afterJobEnded(core, job);
		updateRun(core, run.id);
	}
}

/** Who asked for the end of a run. */
export const CANCEL_BY = { nobody: 0, person: 1, timeout: 2 } as const;

/**
 * The state of a run with these jobs. An ended run has their aggregate state, unless the whole run
 * was cancelled or timed out.
 */
export function runStateOf(standings: readonly Standing[], cancelRequested: number): RunState {
	const has = (...states: JobState[]) => standings.some(({ outcome }) => states.includes(outcome));
	if (has("blocked", "queued", "leased", "running", "cancelling")) {
		if (cancelRequested !== CANCEL_BY.nobody) return "cancelling";
		if (awaitsApproval(standings)) return "waiting";
		return has("running", "cancelling", "succeeded", "failed", "errored", "timed_out", "cancelled") ? "running" : "queued";
	}
	if (cancelRequested === CANCEL_BY.timeout) return "timed_out";
	if (cancelRequested === CANCEL_BY.person && has("cancelled")) return "cancelled";
	return aggregateState(standings.map(({ outcome }) => outcome as RunState & JobState)) ?? "skipped";
}

/** Reasons of a job that waits for a person: for its own approval, or for that of its run. */
const APPROVALS: ReadonlySet<string> = new Set(["approval", "run_approval"]);

/** Whether the run cannot continue without an approval. */
function awaitsApproval(standings: readonly Standing[]): boolean {
	const open = standings.filter(({ outcome }) => !isTerminal(outcome));
	const isStill = open.every(
		({ outcome, reason_code }) => outcome === "blocked" && (reason_code === "needs" || APPROVALS.has(reason_code ?? "")),
	);
	return isStill && open.some(({ reason_code }) => APPROVALS.has(reason_code ?? ""));
}

function firstStart(jobs: readonly Readonly<JobRow>[]): number | null {
	const starts = jobs.flatMap(({ started_at }) => started_at ?? []);
	return starts.length === 0 ? null : Math.min(...starts);
}

/** The reason of the first job that decided the state of the run. */
function runReason(core: Core, run: RunRow, state: RunState): Reason | null {
	if (state === "succeeded" || state === "skipped") return null;
	if (state === "timed_out" && run.cancel_requested === CANCEL_BY.timeout) {
		return { code: "run_timed_out", text: `The run took longer than ${formatDuration(pipelineOf(core, run).timeout_ms ?? 0)}.` };
	}
	const deciding = jobsOf(core, run.id).filter((job) => job.state === state && job.allow_failure === 0 && !wasEndedEarly(job));
	const [job] = deciding.sort((a, b) => (a.finished_at ?? 0) - (b.finished_at ?? 0));
	if (!job?.reason_code) return null;
	return { code: job.reason_code, text: `${job.name}: ${job.reason_text ?? ""}`.slice(0, 2000) };
}
