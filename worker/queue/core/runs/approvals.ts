import { formatDuration } from "../../../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import { isAtLeast, type Role } from "../../../../schema/wire/permissions.ts";
import { isTerminal, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { clearTimer } from "../timers.ts";
import { cancelJobsOf } from "./cancel.ts";
import { definitionOf } from "./definitions.ts";
import { advance, afterJobEnded, CANCEL_BY, needsRunApproval, RUN_APPROVAL_MS, updateRun } from "./progress.ts";
import { stopJob } from "./stop.ts";

/**
 * Approvals: a job that needs one waits, after its needs, until a person with one of the roles, or a greater one,
 * approves or declines.
 */

/** The person who decides. */
export interface Approver {
	name: string;
	role: Role;
}

/**
 * Approves a job. A second approval changes nothing.
 * @throws ApiError `not_found`, `forbidden` without one of the roles, `conflict` if the job does not wait for an approval
 */
export function approveJob(core: Core, jobId: string, by: Approver): void {
	const body = () => {
		const job = jobAwaitingApproval(core, jobId, by);
		if (job === null) return;
		changeRow(core, "jobs", job.id, { approved_by: by.name });
		job.approved_by = by.name;
		clearTimer(core, "approval", job.id);
		if (advance(core, job)) afterJobEnded(core, job);
		else updateRun(core, job.run_id);
	};
	command(core, body, by.name);
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
	const { approval } = definitionOf(core, job);
	if (approval && !approval.roles.some((role) => isAtLeast(by.role, role))) {
		throw new ApiError("forbidden", `This approval is for ${approval.roles.join(", ")}; you are ${by.role}.`, {
			details: { roles: approval.roles },
			suggestions: ["Ask a person with that role to approve it."],
		});
	}
	if (job.approved_by !== null) return null;
	if (job.state !== "blocked" || job.reason_code !== "approval") throw notAwaitingApproval(job);
	return job;
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
