import { RETRY_CAUSES } from "../../../schema/pipeline/language.ts";
import type { ResolvedJob, ResolvedPipeline } from "../../../schema/pipeline/resolve.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../../schema/wire/errors.ts";
import { DEFAULT_LOST_ATTEMPTS } from "../../../schema/wire/limits.ts";
import type { Commit, Finish } from "../../../schema/wire/protocol.ts";
import { type AttemptState, isTerminal, type JobState, type Reason } from "../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "./core.ts";
import { addEffect } from "./effects.ts";
import { lapseOffer, withdrawOffer } from "./offers.ts";
import { markDirty } from "./outbox.ts";
import { afterJobEnded, queueIfReady, updateRun } from "./progress.ts";
import { type AttemptRow, findAgent, findAttempt, findJob, findOffer, findRun, type JobRow, jobOf, type RunRow } from "./rows.ts";
import { clearTimer, clearTimers, setTimer } from "./timers.ts";
import { moveJob } from "./transitions.ts";

/**
 * The life of an attempt: claimed by `start`, kept by `renew`, ended by `finish`, or by the queue itself when the
 * lease runs out, the job's time is over, or a cancel was not heeded.
 */

/** What a lease token says, once its signature was checked. */
export interface LeaseClaims {
	attemptId: string;
	leaseId: string;
	jobId: string;
	agentId: string;
}

/** The agent is given this long beyond the job's own timeout before the queue ends the attempt itself. */
const TIMEOUT_SLACK_MS = 30_000;
const CANCEL_SLACK_MS = 30_000;
const MAX_BACKOFF_MS = 60_000;

export interface Started {
	attempt: AttemptRow;
	job: JobRow;
	run: RunRow;
	definition: ResolvedJob;
}

/**
 * leased → running, with a full lease. Repeated by the same lease while the attempt runs, it gives the same answer.
 * @throws ApiError `attempt_superseded`, `attempt_finished`
 */
export function startAttempt(core: Core, lease: LeaseClaims): Started {
	return command(core, () => {
		const known = findAttempt(core, lease.attemptId);
		if (known) {
			assertLive(core, known, lease);
			return describe(core, known);
		}
		const offer = findOffer(core, lease.attemptId);
		if (!offer || offer.lease_id !== lease.leaseId || offer.agent_id !== lease.agentId) throw endedOrSuperseded(core, lease);
		return describe(core, claim(core, lease, offer.shard));
	});
}

function claim(core: Core, lease: LeaseClaims, shard: number): AttemptRow {
	const job = jobOf(core, { job_id: lease.jobId });
	const now = core.now();
	moveJob(core, job, "start", null);
	core.sql.all("DELETE FROM offers WHERE attempt_id = ?", lease.attemptId);
	clearTimer(core, "offer", lease.attemptId);
	const number = job.attempt + 1;
	core.sql.all("UPDATE jobs SET attempt = ?, started_at = coalesce(started_at, ?) WHERE id = ?", number, now, job.id);
	const deadline = now + core.settings.leaseTtlMs;
	const [attempt] = core.sql.all<AttemptRow>(
		`INSERT INTO attempts (id, team, rev, job_id, run_id, number, agent_id, agent_name, state, started_at, shard, log_bytes, log_incomplete,
		log_archived, steps, lease_id, deadline) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, 0, 0, 0, '[]', ?, ?) RETURNING *`,
		lease.attemptId,
		core.team,
		nextRev(core),
		job.id,
		job.run_id,
		number,
		lease.agentId,
		findAgent(core, lease.agentId)?.name ?? lease.agentId,
		now,
		shard,
		lease.leaseId,
		deadline,
	);
	markDirty(core, lease.attemptId, job.run_id);
	setTimer(core, "lease", lease.attemptId, deadline);
	const { timeout_ms } = definitionOf(core, job);
	setTimer(core, "job_timeout", lease.attemptId, now + timeout_ms + core.settings.killGraceMs + TIMEOUT_SLACK_MS);
	updateRun(core, job.run_id);
	return attempt as AttemptRow;
}

function describe(core: Core, attempt: AttemptRow): Started {
	const job = jobOf(core, attempt);
	return { attempt, job, run: findRun(core, job.run_id) as RunRow, definition: definitionOf(core, job) };
}

function definitionOf(core: Core, job: JobRow): ResolvedJob {
	const [row] = core.sql.all<{ json: string }>(
		"SELECT d.json FROM runs AS r JOIN definitions AS d ON d.digest = r.definition WHERE r.id = ?",
		job.run_id,
	);
	const pipeline = JSON.parse((row as { json: string }).json) as ResolvedPipeline;
	return pipeline.jobs.find((one) => one.key === job.key) as ResolvedJob;
}

/** An agent hands an offer back; it will not get this job again for a while. An offer that is gone needs nothing. */
export function releaseOffer(core: Core, lease: LeaseClaims): void {
	command(core, () => {
		const offer = findOffer(core, lease.attemptId);
		if (offer?.lease_id === lease.leaseId) lapseOffer(core, offer, true);
	});
}

/**
 * The live attempt of this lease.
 * @throws ApiError `attempt_superseded` if another attempt took its place, `attempt_finished` if it is over
 */
export function liveAttempt(core: Core, lease: LeaseClaims): AttemptRow {
	const attempt = findAttempt(core, lease.attemptId);
	if (!attempt) throw endedOrSuperseded(core, lease);
	assertLive(core, attempt, lease);
	return attempt;
}

function assertLive(core: Core, attempt: AttemptRow, lease: LeaseClaims): void {
	if (attempt.lease_id !== lease.leaseId || isTerminal(attempt.state)) throw endedOrSuperseded(core, lease);
}

/** 410 when the job is over for good, 409 when it goes on without this attempt. */
function endedOrSuperseded(core: Core, lease: LeaseClaims): ApiError {
	const job = findJob(core, lease.jobId);
	const isOver = !job || isTerminal(job.state);
	return new ApiError(
		isOver ? "attempt_finished" : "attempt_superseded",
		isOver ? "The job of this attempt is over." : "This attempt is not the job's live one (any more).",
		{
			details: { attempt_id: lease.attemptId, job_state: job?.state ?? "unknown" },
			suggestions: ["Stop the job's processes and drop what is unsent."],
		},
	);
}

/** Records the commit that the first job checked out; every later job of the run gets the same one. */
export function pinCommit(core: Core, lease: LeaseClaims, commit: Commit): string {
	return command(core, () => {
		const attempt = liveAttempt(core, lease);
		const run = findRun(core, attempt.run_id) as RunRow;
		if (run.commit_sha !== null) return run.commit_sha;
		core.sql.all(
			"UPDATE runs SET commit_sha = ?, commit_message = ?, commit_author = ?, branch = ?, tag = ?, rev = ? WHERE id = ?",
			commit.sha,
			commit.message,
			commit.author,
			commit.branch,
			commit.tag,
			nextRev(core),
			run.id,
		);
		markDirty(core, run.id, run.id);
		return commit.sha;
	});
}

/**
 * Takes the result of an attempt. The same result again is answered as before.
 * @returns the attempt's state
 * @param digest sha256 of the submitted result
 * @param artifacts what the result makes visible, with the object of each
 * @throws ApiError `conflict` for another result after the first, `attempt_finished`, `attempt_superseded`
 */
export function finishAttempt(
	core: Core,
	lease: LeaseClaims,
	finish: Finish,
	digest: string,
	artifacts: readonly { path: string; size: number; sha256: string; key: string }[],
): AttemptState {
	return command(core, () => {
		const attempt = findAttempt(core, lease.attemptId);
		if (!attempt || attempt.lease_id !== lease.leaseId) throw endedOrSuperseded(core, lease);
		const job = jobOf(core, attempt);
		if (attempt.finish_digest === digest) return attempt.state;
		if (attempt.finish_digest !== null) throw otherResult(attempt);
		if (isTerminal(attempt.state)) throw endedOrSuperseded(core, lease);
		core.sql.all("UPDATE attempts SET finish_digest = ?, steps = ? WHERE id = ?", digest, JSON.stringify(finish.steps), attempt.id);
		if (artifacts.length > 0) insertArtifacts(core, attempt, artifacts);
		endAttempt(core, attempt, finish.state, finish.reason, finish.exit_code, finish.log);
		endOrRetry(core, job, attempt, finish.state, finish.reason, finish.exit_code);
		return finish.state;
	});
}

function insertArtifacts(
	core: Core,
	attempt: AttemptRow,
	artifacts: readonly { path: string; size: number; sha256: string; key: string }[],
): void {
	core.sql.all(
		`INSERT INTO artifacts (attempt_id, path, team, job_id, run_id, size, sha256, key)
		SELECT ?, value ->> 'path', ?, ?, ?, value ->> 'size', value ->> 'sha256', value ->> 'key' FROM json_each(?)`,
		attempt.id,
		core.team,
		attempt.job_id,
		attempt.run_id,
		JSON.stringify(artifacts),
	);
}

/** An attempt has one result: the first. */
export function otherResult(attempt: { id: string; state: AttemptState }): ApiError {
	return new ApiError("conflict", "This attempt has already finished with another result.", {
		details: { attempt_id: attempt.id, attempt_state: attempt.state },
	});
}

/** What is left of a log when nobody says how long it is. */
const UNKNOWN_LOG = { bytes: null, sha256: null, incomplete: true };

function endAttempt(
	core: Core,
	attempt: AttemptRow,
	state: AttemptState,
	reason: Reason | null,
	exitCode: number | null,
	log: { bytes: number | null; sha256: string | null; incomplete: boolean },
): void {
	const [ended] = core.sql.all(
		`UPDATE attempts SET state = ?, reason_code = ?, reason_text = ?, exit_code = ?, finished_at = ?, log_bytes = coalesce(?, log_bytes),
		log_sha256 = ?, log_incomplete = ?, rev = ? WHERE id = ? AND state IN ('running', 'cancelling') RETURNING id`,
		state,
		reason?.code ?? null,
		reason?.text ?? null,
		exitCode,
		core.now(),
		log.bytes,
		log.sha256,
		log.incomplete ? 1 : 0,
		nextRev(core),
		attempt.id,
	);
	if (!ended) throw new Error(`attempt ${attempt.id} is not live`);
	markDirty(core, attempt.id, attempt.run_id);
	clearTimers(core, ["lease", "job_timeout", "cancel"], attempt.id);
	addEffect(core, attempt.id, {
		kind: "seal",
		attemptId: attempt.id,
		leaseId: attempt.lease_id,
		runId: attempt.run_id,
		jobId: attempt.job_id,
		shard: attempt.shard,
		declaredBytes: log.bytes,
	});
}

/** Moves the job of an attempt that was finished by its agent: to its end, or into a pause before the next attempt. */
function endOrRetry(core: Core, job: JobRow, attempt: AttemptRow, state: JobState, reason: Reason | null, exitCode: number | null): void {
	if (job.state === "cancelling") {
		endJob(core, job, "finish", "cancelled", { code: "cancelled", text: job.reason_text ?? "Cancelled." }, exitCode);
		return;
	}
	const cause = causeOf(state, reason);
	if (cause && isRetryLeft(core, job, attempt, cause)) {
		retryLater(core, job, attempt, "finish", cause, reason);
		return;
	}
	endJob(core, job, "finish", state, reason, exitCode);
}

type RetryCause = (typeof RETRY_CAUSES)[number];

/** Reasons by which an agent gives a job back that another agent could run. */
const LOST_CODES: ReadonlySet<string> = new Set(["agent_lost", "agent_restarted", "agent_stopped"]);

function causeOf(state: JobState, reason: Reason | null): RetryCause | null {
	if (reason && LOST_CODES.has(reason.code)) return "lost";
	return RETRY_CAUSES.find((cause) => cause === state) ?? null;
}

function isRetryLeft(core: Core, job: JobRow, attempt: AttemptRow, cause: RetryCause): boolean {
	const { retry } = definitionOf(core, job);
	const allowed = retry?.on.includes(cause) ? retry.attempts : cause === "lost" ? DEFAULT_LOST_ATTEMPTS : 1;
	return attempt.number < allowed;
}

function retryLater(core: Core, job: JobRow, attempt: AttemptRow, verb: "finish" | "lose", cause: RetryCause, reason: Reason | null): void {
	// A first loss is hardly the job's doing: it goes straight back to the head of its lane.
	const isImmediate = cause === "lost" && attempt.number === 1;
	const pause = isImmediate ? 0 : Math.min(MAX_BACKOFF_MS, core.settings.retryBackoffMs * 2 ** (attempt.number - 1));
	const why = reason?.text ?? `Attempt ${attempt.number} ${cause.replace("_", " ")}.`;
	moveJob(
		core,
		job,
		verb,
		{ code: "backoff", text: `${why} Attempt ${attempt.number + 1} follows in ${formatDuration(pause)}.` },
		"blocked",
	);
	if (pause === 0) queueIfReady(core, job);
	else setTimer(core, "backoff", job.id, core.now() + pause);
	updateRun(core, job.run_id);
}

function endJob(core: Core, job: JobRow, verb: "finish" | "lose", state: JobState, reason: Reason | null, exitCode: number | null): void {
	// The move that follows marks the row.
	if (exitCode !== null) core.sql.all("UPDATE jobs SET exit_code = ? WHERE id = ?", exitCode, job.id);
	moveJob(core, job, verb, reason, state);
	afterJobEnded(core, job);
}

/** Ends an attempt whose agent is gone: the job is retried, or ends errored; a cancelled one ends cancelled. */
export function loseAttempt(core: Core, attempt: AttemptRow, reason: Reason): void {
	const job = jobOf(core, attempt);
	endAttempt(core, attempt, "expired", reason, null, UNKNOWN_LOG);
	if (job.state === "cancelling")
		endJob(core, job, "lose", "cancelled", { code: "cancelled", text: job.reason_text ?? "Cancelled." }, null);
	else if (isRetryLeft(core, job, attempt, "lost")) retryLater(core, job, attempt, "lose", "lost", reason);
	else endJob(core, job, "lose", "errored", reason, null);
}

/** The lease has run out unrenewed. */
export function expireLease(core: Core, attempt: AttemptRow): void {
	loseAttempt(core, attempt, {
		code: "agent_lost",
		text: `Agent ${attempt.agent_name} was not heard of for ${formatDuration(core.settings.leaseTtlMs)}.`,
	});
}

/** The cancel was not heeded in time: the job ends without its agent. */
export function forceCancel(core: Core, attempt: AttemptRow): void {
	const job = jobOf(core, attempt);
	endAttempt(core, attempt, "cancelled", { code: "cancel_forced", text: "The agent did not end the job in time." }, null, UNKNOWN_LOG);
	endJob(core, job, "lose", "cancelled", { code: "cancelled", text: job.reason_text ?? "Cancelled." }, null);
}

/** The job's time is over and its agent did not say so. */
export function forceTimeout(core: Core, attempt: AttemptRow): void {
	const job = jobOf(core, attempt);
	const reason: Reason = {
		code: "timed_out",
		text: `Ran longer than its timeout of ${formatDuration(definitionOf(core, job).timeout_ms)}.`,
	};
	endAttempt(core, attempt, "timed_out", reason, null, UNKNOWN_LOG);
	endOrRetry(core, job, attempt, "timed_out", reason, null);
}

/** A pause before a retry is over. */
export function endBackoff(core: Core, jobId: string): void {
	const job = findJob(core, jobId);
	if (!job) return;
	queueIfReady(core, job);
	updateRun(core, job.run_id);
}

/**
 * Asks for the end of a job: at once while nothing runs, by way of its agent otherwise. A second cancel changes nothing.
 * @returns false if there was nothing left to cancel
 */
function cancelJob(core: Core, job: JobRow, reason: Reason): boolean {
	const from = job.state;
	const next = moveJob(core, job, "cancel", reason);
	if (next === "cancelled") {
		if (from === "leased") withdrawOffer(core, job.id);
		clearTimer(core, "backoff", job.id);
		afterJobEnded(core, job);
	} else if (next === "cancelling") {
		const [attempt] = core.sql.all<{ id: string }>(
			"UPDATE attempts SET state = 'cancelling', rev = ? WHERE job_id = ? AND state = 'running' RETURNING id",
			nextRev(core),
			job.id,
		);
		if (!attempt) throw new Error(`running job ${job.id} has no live attempt`);
		markDirty(core, attempt.id, job.run_id);
		setTimer(core, "cancel", attempt.id, core.now() + core.settings.killGraceMs + CANCEL_SLACK_MS);
		updateRun(core, job.run_id);
	}
	return next !== null;
}

/** Cancels a job; one that is cancelled already stays so. @throws ApiError `not_found`, `conflict` if it ended otherwise */
export function cancelJobById(core: Core, jobId: string, actor: string): void {
	command(core, () => {
		const job = findJob(core, jobId);
		if (!job) throw notFound("job", jobId);
		if (job.state === "cancelled") return;
		if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
		cancelJob(core, job, { code: "cancelled", text: `Cancelled by ${actor}.` });
	});
}

/** Cancels a run; one that is cancelled already stays so. @throws ApiError `not_found`, `conflict` if it ended otherwise */
export function cancelRun(core: Core, runId: string, actor: string): void {
	command(core, () => {
		const run = findRun(core, runId);
		if (!run) throw notFound("run", runId);
		if (run.state === "cancelled") return;
		if (isTerminal(run.state)) throw alreadyOver("run", run.id, run.state);
		core.sql.all("UPDATE runs SET cancel_requested = 1 WHERE id = ?", runId);
		for (const { id } of core.sql.all<{ id: string }>("SELECT id FROM jobs WHERE run_id = ?", runId)) {
			const job = findJob(core, id) as JobRow;
			cancelJob(core, job, { code: "cancelled", text: `Cancelled by ${actor}.` });
		}
		updateRun(core, runId);
	});
}

function alreadyOver(what: string, id: string, state: string): ApiError {
	return new ApiError("conflict", `The ${what} is over: ${state}.`, { details: { id, state } });
}
