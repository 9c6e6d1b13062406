import { RETRY_CAUSES } from "../../../../schema/pipeline/validate/language.ts";
import { formatDuration } from "../../../../schema/wire/duration.ts";
import { DEFAULT_LOST_ATTEMPTS } from "../../../../schema/wire/limits.ts";
import { FORGE_TOKEN } from "../../../../schema/wire/secrets.ts";
import type { AttemptState, JobState, Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { addEffect } from "../effects/effects.ts";
import { holdLog } from "../leases/held_logs.ts";
import { markDirty } from "../record/outbox.ts";
import { type AttemptRow, changeRow, findJob, findRun, type JobRow, jobOf, type RunRow } from "../rows.ts";
import { clearTimers, setTimer } from "../timers.ts";
import { timeLimitOf } from "./begin.ts";
import { definitionOf } from "./definitions.ts";
import { admitMatrixJobs, advance, afterJobEnded, updateRun } from "./progress.ts";
import { type JobChanges, moveJob } from "./transitions.ts";

/**
 * The ends of attempts and their jobs. The agent delivers a result, or the queue ends the attempt:
 * the lease expired, the timeout passed, or a cancel was ignored. A job with a failed or lost
 * attempt is retried as its retry rule allows.
 */

const MAX_BACKOFF_MS = 60_000;

/** The log of an attempt whose length nobody reports. */
const UNKNOWN_LOG = { bytes: null, sha256: null, incomplete: true };

/** What is known of the log of an attempt that ends. */
interface EndedLog {
	/** Its length; null if nobody says it. */
	bytes: number | null;
	sha256: string | null;
	incomplete: boolean;
	/** The whole log, if it came with the result. */
	content?: Uint8Array | null;
}

export function endAttempt(
	core: Core,
	attempt: AttemptRow,
	state: AttemptState,
	reason: Reason | null,
	exitCode: number | null,
	log: EndedLog,
	result: Partial<Pick<AttemptRow, "finish_digest" | "steps" | "tests" | "coverage" | "usage" | "annotations" | "caches">> = {},
): void {
	const stored = core.rows.liveRow<AttemptRow>("attempts", attempt.id);
	if (!stored) throw new Error(`attempt ${attempt.id} is not live`);
	changeRow(core, "attempts", attempt.id, {
		...{ state, reason_code: reason?.code ?? null, reason_text: reason?.text ?? null, exit_code: exitCode, finished_at: core.now() },
		...{ log_bytes: log.bytes ?? stored.log_bytes, log_sha256: log.sha256, log_incomplete: log.incomplete ? 1 : 0, rev: nextRev(core) },
		...result,
	});
	markDirty(core, attempt.run_id);
	if (!core.untimed.has(attempt.id)) clearTimers(core, ["job_timeout", "cancel"], attempt.id);
	storeLog(core, attempt, log);
	core.counts.logBytes += log.bytes ?? stored.log_bytes;
	if (usesForgeToken(core, attempt)) {
		const { project } = findRun(core, attempt.run_id) as RunRow;
		addEffect(core, `token ${attempt.id}`, { kind: "revoke_forge_token", attemptId: attempt.id, project });
	}
}

/** Whether the job of an attempt names the token of its forge, which may be one for this attempt alone. */
function usesForgeToken(core: Core, attempt: AttemptRow): boolean {
	return Object.values(definitionOf(core, jobOf(core, attempt)).secrets).includes(FORGE_TOKEN);
}

/**
 * Sees to the log of an ended attempt. An empty one needs no place. One that came with the result is
 * held; any other is in its shard, which archives it.
 */
function storeLog(core: Core, attempt: AttemptRow, log: EndedLog): void {
	if (log.bytes === 0 || log.content) {
		core.hints.logsElsewhere.add(attempt.id);
		if (log.content && log.bytes !== 0) {
			holdLog(core, attempt.id, log.content);
			changeRow(core, "attempts", attempt.id, { log_held: 1 });
		} else changeRow(core, "attempts", attempt.id, { log_archived: 1 });
		return;
	}
	addEffect(core, attempt.id, {
		kind: "archive_log",
		attemptId: attempt.id,
		leaseId: attempt.lease_id,
		runId: attempt.run_id,
		jobId: attempt.job_id,
		shard: attempt.shard,
		declaredBytes: log.bytes,
	});
}

/**
 * Moves the job of an attempt that its agent has finished: to its end, or into a pause before the
 * next attempt.
 */
export function endOrRetry(
	core: Core,
	job: JobRow,
	attempt: AttemptRow,
	state: JobState,
	reason: Reason | null,
	exitCode: number | null,
	changes: JobChanges = {},
): void {
	if (job.state === "cancelling") {
		endJob(core, job, attempt, "finish", "cancelled", whyCancelled(job), exitCode, changes);
		return;
	}
	const cause = causeOf(state, reason);
	if (cause && isRetryLeft(core, job, attempt, cause, exitCode)) {
		retryLater(core, job, attempt, "finish", cause, reason, 0, changes);
		return;
	}
	endJob(core, job, attempt, "finish", state, reason, exitCode, changes);
}

/** The first pause of a snoozed job. Each further pause is twice as long. */
const SNOOZE_MS = 15_000;
const MAX_SNOOZE_MS = 10 * 60_000;

/** Snoozes the job of an attempt that could not begin. The attempt does not count. */
export function endOrSnooze(core: Core, job: JobRow, attempt: AttemptRow, reason: Reason): void {
	if (job.state === "cancelling") {
		endJob(core, job, attempt, "lose", "cancelled", whyCancelled(job), null);
		return;
	}
	changeRow(core, "jobs", job.id, { snoozes: job.snoozes + 1 });
	moveJob(core, job, "lose", reason, "blocked");
	setTimer(core, "backoff", job.id, core.now() + Math.min(MAX_SNOOZE_MS, SNOOZE_MS * 2 ** job.snoozes));
	admitMatrixJobs(core, job);
	updateRun(core, job.run_id);
}

type RetryCause = (typeof RETRY_CAUSES)[number];

/** Reasons after which another agent can run the job. */
const LOST_CODES: ReadonlySet<string> = new Set(["agent_lost", "agent_restarted", "agent_stopped", "agent_removed"]);

function causeOf(state: JobState, reason: Reason | null): RetryCause | null {
	if (reason && LOST_CODES.has(reason.code)) return "lost";
	return RETRY_CAUSES.find((cause) => cause === state) ?? null;
}

function isRetryLeft(core: Core, job: JobRow, attempt: AttemptRow, cause: RetryCause, exitCode: number | null): boolean {
	const { retry } = definitionOf(core, job);
	const isCode = cause !== "failed" || !retry?.exit_codes || (exitCode !== null && retry.exit_codes.includes(exitCode));
	const allowed = retry?.on.includes(cause) && isCode ? retry.attempts : cause === "lost" ? DEFAULT_LOST_ATTEMPTS : 1;
	return countOf(job, attempt) < allowed;
}

function whyCancelled(job: JobRow): Reason {
	return { code: job.reason_code ?? "cancelled", text: job.reason_text ?? "Cancelled." };
}

/** The number of attempts that count. */
function countOf(job: JobRow, attempt: AttemptRow): number {
	return attempt.number - job.snoozes;
}

function retryLater(
	core: Core,
	job: JobRow,
	attempt: AttemptRow,
	verb: "finish" | "lose",
	cause: RetryCause,
	reason: Reason | null,
	leastPause = 0,
	changes: JobChanges = {},
): void {
	// A first loss is rarely caused by the job: it goes straight back to the head of its partition.
	const count = countOf(job, attempt);
	const isImmediate = cause === "lost" && count === 1;
	const backoff = isImmediate ? 0 : Math.min(MAX_BACKOFF_MS, core.settings.retryBackoffMs * 2 ** (count - 1));
	const pause = Math.max(backoff, leastPause);
	const why = reason?.text ?? `Attempt ${attempt.number} ${cause.replace("_", " ")}.`;
	moveJob(
		core,
		job,
		verb,
		{ code: "backoff", text: `${why} Attempt ${attempt.number + 1} follows in ${formatDuration(pause)}.` },
		"blocked",
		changes,
	);
	if (pause === 0) resumeJob(core, job);
	else setTimer(core, "backoff", job.id, core.now() + pause);
	admitMatrixJobs(core, job);
	updateRun(core, job.run_id);
}

function resumeJob(core: Core, job: JobRow): void {
	if (advance(core, job)) afterJobEnded(core, job);
}

function endJob(
	core: Core,
	job: JobRow,
	attempt: AttemptRow,
	verb: "finish" | "lose",
	state: JobState,
	reason: Reason | null,
	exitCode: number | null,
	changes: JobChanges = {},
): void {
	const exit = exitCode === null ? {} : { exit_code: exitCode };
	moveJob(core, job, verb, reason, state, { ...changes, ...exit, result_attempt: attempt.id });
	afterJobEnded(core, job);
}

/**
 * Ends an attempt whose agent is gone. The job is retried or ends as errored; a job that is being
 * cancelled ends as cancelled.
 * @param leastPause how long the retry must wait, in milliseconds
 */
export function loseAttempt(core: Core, attempt: AttemptRow, reason: Reason, leastPause = 0): void {
	core.counts.lost += 1;
	const job = jobOf(core, attempt);
	endAttempt(core, attempt, "expired", reason, null, UNKNOWN_LOG);
	if (job.state === "cancelling") endJob(core, job, attempt, "lose", "cancelled", whyCancelled(job), null);
	else if (isRetryLeft(core, job, attempt, "lost", null)) retryLater(core, job, attempt, "lose", "lost", reason, leastPause);
	else endJob(core, job, attempt, "lose", "errored", reason, null);
}

/** The lease has expired. */
export function expireLease(core: Core, attempt: AttemptRow): void {
	loseAttempt(core, attempt, {
		code: "agent_lost",
		text: `Agent ${attempt.agent_name} was silent for ${formatDuration(core.settings.leaseTtlMs)}.`,
	});
}

/** The agent ignored the cancel: the queue ends the job. */
export function forceCancel(core: Core, attempt: AttemptRow): void {
	const job = jobOf(core, attempt);
	endAttempt(core, attempt, "cancelled", { code: "cancel_forced", text: "The agent did not end the job in time." }, null, UNKNOWN_LOG);
	endJob(core, job, attempt, "lose", "cancelled", whyCancelled(job), null);
}

/** The timeout of the job has passed, and its agent did not report it. */
export function forceTimeout(core: Core, attempt: AttemptRow): void {
	const job = jobOf(core, attempt);
	const reason: Reason = {
		code: "timed_out",
		text: `Ran longer than its timeout of ${formatDuration(timeLimitOf(core, definitionOf(core, job)))}.`,
	};
	endAttempt(core, attempt, "timed_out", reason, null, UNKNOWN_LOG);
	endOrRetry(core, job, attempt, "timed_out", reason, null);
}

/** The pause before a retry has ended. */
export function endBackoff(core: Core, jobId: string): void {
	const job = findJob(core, jobId);
	if (!job) return;
	resumeJob(core, job);
	updateRun(core, job.run_id);
}
