import { formatDuration } from "../../../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import { isAtLeast, type Role } from "../../../../schema/wire/permissions.ts";
import type { Job } from "../../../../schema/wire/resources.ts";
import { isTerminal, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { clearTimer } from "../timers.ts";
import { cancelJobsOf } from "./cancel.ts";
import { definitionOf } from "./definitions.ts";
import { advance, afterJobEnded, awaitMore, CANCEL_BY, needsRunApproval, RUN_APPROVAL_MS, updateRun } from "./progress.ts";
import { stopJob } from "./stop.ts";

/**
 * Approvals: a job that needs one waits, after its needs, until a person with one of the roles, or a greater one,
 * approves or declines.
 */

/** Who decides. */
export interface Approver {
	/** Of people, the name tells them apart. */
	name: string;
	role: Role;
	/** False: a token of a program, whose name is whatever its maker has chosen. */
	isPerson: boolean;
}

/**
 * Approves a job. A second approval of the same person changes nothing. The job goes on once enough
 * people have approved it.
 * @param comment in their words; null: none
 * @throws ApiError `not_found`, `forbidden` for who may not, `conflict` if the job does not wait for an approval
 */
export function approveJob(core: Core, jobId: string, by: Approver, comment: string | null): void {
	const body = () => {
		const job = jobAwaitingApproval(core, jobId, by);
		if (job === null) return;
		assertCounts(core, job, by);
		const before = approvalsOf(job);
		if (before.some((one) => one.by === by.name)) return;
		const approvals = [...before, { by: by.name, comment, at: new Date(core.now()).toISOString() }];
		const missing = (definitionOf(core, job).approval?.count ?? 1) - approvals.length;
		const names = approvals.map((one) => one.by).join(", ");
		recordApprovals(core, job, approvals, missing > 0 ? null : names);
		if (missing > 0) {
			awaitMore(core, job, missing, names);
			updateRun(core, job.run_id);
			return;
		}
		clearTimer(core, "approval", job.id);
		if (advance(core, job)) afterJobEnded(core, job);
		else updateRun(core, job.run_id);
	};
	command(core, body, by.name);
}

function approvalsOf({ approvals }: JobRow): Job["approvals"] {
	return approvals === null ? [] : (JSON.parse(approvals) as Job["approvals"]);
}

function recordApprovals(core: Core, job: JobRow, approvals: Job["approvals"], approvedBy: string | null): void {
	const change = { approvals: JSON.stringify(approvals), approved_by: approvedBy };
	changeRow(core, "jobs", job.id, { ...change, rev: nextRev(core) });
	Object.assign(job, change);
	markDirty(core, job.run_id);
}

/**
 * Ends a job that waits for an approval. @throws ApiError as `approveJob`; `conflict` if it was
 * approved already
 */
export function declineJob(core: Core, jobId: string, by: Approver, comment: string | null): void {
	const body = () => {
		const job = jobAwaitingApproval(core, jobId, by);
		if (job === null) throw notAwaitingApproval(findJob(core, jobId) as JobRow);
		endUnapproved(core, job, declined(by, comment));
	};
	command(core, body, by.name);
}

/**
 * Approves a run of a fork. A second approval changes nothing.
 * @throws ApiError `not_found`, `conflict` if the run waits for no approval
 */
export function approveRun(core: Core, runId: string, by: Approver): void {
	const body = () => {
		const run = runAwaitingApproval(core, runId);
		if (run === null) return;
		changeRow(core, "runs", run.id, { approved_by: by.name, rev: nextRev(core) });
		markDirty(core, run.id);
		clearTimer(core, "run_approval", run.id);
		const waiting = core.sql.all<{ id: string }>("SELECT id FROM jobs WHERE run_id = ? AND state = 'blocked' ORDER BY position", run.id);
		for (const { id } of waiting) {
			// Read again: the jobs before may have ended it.
			const job = findJob(core, id) as JobRow;
			if (advance(core, job)) afterJobEnded(core, job);
		}
		updateRun(core, run.id);
	};
	command(core, body, by.name);
}

/**
 * Ends a run that waits for an approval. @throws ApiError as `approveRun`; `conflict` if it was
 * approved already
 */
export function declineRun(core: Core, runId: string, by: Approver, comment: string | null): void {
	const body = () => {
		const run = runAwaitingApproval(core, runId);
		if (run === null) throw runNotAwaitingApproval(findRun(core, runId) as RunRow);
		cancelJobsOf(core, run.id, CANCEL_BY.person, declined(by, comment));
	};
	command(core, body, by.name);
}

/** The run, if it waits for an approval; null if it was approved. */
function runAwaitingApproval(core: Core, runId: string): RunRow | null {
	const run = findRun(core, runId);
	if (!run) throw notFound("run", runId);
	if (run.is_trusted === 0 && run.approved_by !== null) return null;
	if (!needsRunApproval(run) || isTerminal(run.state)) throw runNotAwaitingApproval(run);
	return run;
}

function runNotAwaitingApproval(run: RunRow): ApiError {
	const why = isTerminal(run.state)
		? `it has ended: ${run.state}`
		: run.approved_by !== null
			? `${run.approved_by} approved it`
			: "it needs none";
	return new ApiError("conflict", `The run does not wait for an approval: ${why}.`, {
		details: { id: run.id, state: run.state },
		suggestions: [`See its state on its page, or with: windlass show ${run.id}`],
	});
}

function declined(by: Approver, comment: string | null): Reason {
	return { code: "declined", text: `Declined by ${by.name}${comment ? `: ${comment}` : ""}.`.replace(/\.\.$/, ".") };
}

/** The approval of a run has timed out. Call it inside a command. */
export function expireRunApproval(core: Core, runId: string): void {
	const run = findRun(core, runId);
	if (!run || isTerminal(run.state) || !needsRunApproval(run)) return;
	const text = `No one approved it within ${formatDuration(RUN_APPROVAL_MS)}.`;
	cancelJobsOf(core, run.id, CANCEL_BY.person, { code: "approval_timed_out", text });
}

/** The approval of a job has timed out. Call it inside a command. */
export function expireApproval(core: Core, jobId: string): void {
	const job = findJob(core, jobId);
	if (job?.state !== "blocked" || job.reason_code !== "approval") return;
	const { approval } = definitionOf(core, job);
	endUnapproved(core, job, { code: "approval_timed_out", text: `No one approved it within ${formatDuration(approval?.timeout_ms ?? 0)}.` });
}

function endUnapproved(core: Core, job: JobRow, reason: Reason): void {
	stopJob(core, job, "cancel", reason);
	afterJobEnded(core, job);
}

/** The job, if it waits for an approval; null if it was approved. */
function jobAwaitingApproval(core: Core, jobId: string, by: Approver): JobRow | null {
	const job = findJob(core, jobId);
	if (!job) throw notFound("job", jobId);
	if (!isTerminal(job.state) && needsRunApproval(findRun(core, job.run_id) as RunRow)) {
		throw new ApiError("conflict", "The job waits for the approval of its run, which comes from a fork.", {
			details: { id: job.id, run_id: job.run_id, state: job.state },
			suggestions: [`Approve the run on its page, or with: windlass approve ${job.run_id}`],
		});
	}
	assertMayDecide(core, job, by);
	if (job.approved_by !== null) return null;
	if (job.state !== "blocked" || job.reason_code !== "approval") throw notAwaitingApproval(job);
	return job;
}

/** @throws ApiError `forbidden` for those whom the approval of the job does not ask */
function assertMayDecide(core: Core, job: JobRow, by: Approver): void {
	const { approval } = definitionOf(core, job);
	if (!approval) return;
	const { roles, users } = approval;
	const isNamed = by.isPerson && users.includes(by.name);
	if (!isNamed && !roles.some((role) => isAtLeast(by.role, role))) {
		throw new ApiError("forbidden", `This approval is for ${[...users, ...roles].join(", ")}; you are ${by.name}, ${by.role}.`, {
			details: { roles, users },
			suggestions: ["Ask one of them to approve it."],
		});
	}
}

/** @throws ApiError `forbidden` for those whose approval does not count, though they may decline */
function assertCounts(core: Core, job: JobRow, by: Approver): void {
	const { approval } = definitionOf(core, job);
	if (!approval) return;
	const { count, not_author } = approval;
	if (!by.isPerson && (count > 1 || not_author)) {
		throw new ApiError("forbidden", `${by.name} is a token, and this approval counts people: one person may have many tokens.`, {
			suggestions: ["Sign in as a person: windlass login. An operator invites people with: windlass people invite"],
		});
	}
	if (not_author && findRun(core, job.run_id)?.trigger_actor === by.name) {
		throw new ApiError("forbidden", "You have submitted this run, and its pipeline wants the approval of somebody else.", {
			suggestions: ["Ask another person to approve it."],
		});
	}
}

function notAwaitingApproval(job: JobRow): ApiError {
	const why = isTerminal(job.state)
		? `it has ended: ${job.state}`
		: job.approved_by !== null
			? `${job.approved_by} approved it`
			: `it is ${job.state}`;
	return new ApiError("conflict", `The job does not wait for an approval: ${why}.`, {
		details: { id: job.id, state: job.state },
		suggestions: [`See the state of its run on its page, or with: windlass show ${job.run_id}`],
	});
}
