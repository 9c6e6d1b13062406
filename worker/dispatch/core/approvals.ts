import { formatDuration } from "../../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../../schema/wire/errors.ts";
import { isTerminal, type Reason } from "../../../schema/wire/states.ts";
import { type Core, command } from "./core.ts";
import { definitionOf } from "./definitions.ts";
import { advance, afterJobEnded, updateRun } from "./progress.ts";
import { findJob, type JobRow } from "./rows.ts";
import { stopJob } from "./stop.ts";
import { clearTimer } from "./timers.ts";

/** Gates: a job that needs an approval waits, once its needs have ended, until somebody with one of the roles lets it pass or declines. */

/** Who decides. */
export interface Approver {
	name: string;
	role: string;
}

/**
 * Lets a job pass its gate. One that was let pass before stays so.
 * @throws ApiError `not_found`, `forbidden` without one of the roles, `conflict` if the job does not wait at a gate
 */
export function approveJob(core: Core, jobId: string, by: Approver): void {
	const body = () => {
		const job = jobAtGate(core, jobId, by);
		if (job === null) return;
		core.sql.all("UPDATE jobs SET approved_by = ? WHERE id = ?", by.name, job.id);
		job.approved_by = by.name;
		clearTimer(core, "approval", job.id);
		if (advance(core, job)) afterJobEnded(core, job);
		else updateRun(core, job.run_id);
	};
	command(core, body, by.name);
}

/** Ends a job at its gate. @throws ApiError as `approveJob`; `conflict` if it was let pass before */
export function declineJob(core: Core, jobId: string, by: Approver, comment: string | null): void {
	const body = () => {
		const job = jobAtGate(core, jobId, by);
		if (job === null) throw notAtGate(findJob(core, jobId) as JobRow);
		endAtGate(core, job, { code: "declined", text: `Declined by ${by.name}${comment ? `: ${comment}` : ""}.`.replace(/\.\.$/, ".") });
	};
	command(core, body, by.name);
}

/** Nobody has decided in time. To be called inside a command. */
export function expireApproval(core: Core, jobId: string): void {
	const job = findJob(core, jobId);
	if (job?.state !== "blocked" || job.reason_code !== "gate") return;
	const { approval } = definitionOf(core, job);
	endAtGate(core, job, { code: "approval_timed_out", text: `Nobody approved it within ${formatDuration(approval?.timeout_ms ?? 0)}.` });
}

function endAtGate(core: Core, job: JobRow, reason: Reason): void {
	stopJob(core, job, "cancel", reason);
	afterJobEnded(core, job);
}

/** The job, if it waits at its gate; null if it was let pass. */
function jobAtGate(core: Core, jobId: string, by: Approver): JobRow | null {
	const job = findJob(core, jobId);
	if (!job) throw notFound("job", jobId);
	const { approval } = definitionOf(core, job);
	if (approval && !approval.roles.some((role) => role === by.role)) {
		throw new ApiError("forbidden", `This approval is for ${approval.roles.join(", ")}; you are ${by.role}.`, {
			details: { roles: approval.roles },
		});
	}
	if (job.approved_by !== null) return null;
	if (job.state !== "blocked" || job.reason_code !== "gate") throw notAtGate(job);
	return job;
}

function notAtGate(job: JobRow): ApiError {
	const why = isTerminal(job.state)
		? `it is over: ${job.state}`
		: job.approved_by !== null
			? `${job.approved_by} let it pass`
			: `it is ${job.state}`;
	return new ApiError("conflict", `The job does not wait for an approval: ${why}.`, { details: { id: job.id, state: job.state } });
}
