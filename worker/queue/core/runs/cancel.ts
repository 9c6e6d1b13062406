import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import { RUN_TIMED_OUT } from "../../../../schema/wire/reasons.ts";
import { isTerminal, type Reason } from "../../../../schema/wire/states.ts";
import { type Core, command } from "../core.ts";
import { changeRow, findJob, findRun, type JobRow, type RunRow } from "../rows.ts";
import { runsInGroup } from "./groups.ts";
import { afterJobEnded, CANCEL_BY, updateRun } from "./progress.ts";
import { stopJob } from "./stop.ts";

/**
 * Cancelling: jobs that do not run end at once, their agents end the others. The queue ends a job
 * whose agent ignores the cancel.
 */

/** Cancels a job that has not ended. Call it inside a command. */
export function cancelJob(core: Core, job: JobRow, reason: Reason): void {
	if (stopJob(core, job, "cancel", reason) === "cancelled") afterJobEnded(core, job);
	else updateRun(core, job.run_id);
}

/**
 * Cancels a job. A second cancel changes nothing. @throws ApiError `not_found`, `conflict` if it
 * ended otherwise
 */
export function cancelJobById(core: Core, jobId: string, actor: string): void {
	const body = () => {
		const job = findJob(core, jobId);
		if (!job) throw notFound("job", jobId);
		if (job.state === "cancelled") return;
		if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
		cancelJob(core, job, { code: "cancelled", text: `Cancelled by ${actor}.` });
	};
	command(core, body, actor);
}

/**
 * Cancels a run. A second cancel changes nothing. @throws ApiError `not_found`, `conflict` if it
 * ended otherwise
 */
export function cancelRun(core: Core, runId: string, actor: string): void {
	const body = () => {
		const run = findRun(core, runId);
		if (!run) throw notFound("run", runId);
		if (run.state === "cancelled") return;
		if (isTerminal(run.state)) throw alreadyOver("run", run.id, run.state);
		cancelJobsOf(core, runId, CANCEL_BY.person, { code: "cancelled", text: `Cancelled by ${actor}.` });
	};
	command(core, body, actor);
}

/** The timeout of a run has passed. Call it inside a command. */
export function timeOutRun(core: Core, runId: string): void {
	cancelJobsOf(core, runId, CANCEL_BY.timeout, RUN_TIMED_OUT);
}

/**
 * Cancels the other runs of the group, for a run with `cancel_in_progress`. Call it inside a
 * command.
 */
export function supersedeRuns(core: Core, run: RunRow): void {
	const reason: Reason = { code: "superseded", text: `Superseded by run #${run.number}.` };
	const others = runsInGroup(core, run.group_key as string).filter(
		({ id, cancel_requested }) => id !== run.id && cancel_requested === CANCEL_BY.nobody,
	);
	// All runs are marked before the first one ends, so that none takes the slot of another.
	for (const { id } of others) changeRow(core, "runs", id, { cancel_requested: CANCEL_BY.person });
	for (const { id } of others) cancelJobsOf(core, id, CANCEL_BY.person, reason);
}

/** Cancels all jobs of a run. Call it inside a command. */
export function cancelJobsOf(core: Core, runId: string, by: number, reason: Reason): void {
	if (findRun(core, runId)?.cancel_requested === CANCEL_BY.nobody) changeRow(core, "runs", runId, { cancel_requested: by });
	for (const { id } of core.sql.all<{ id: string }>("SELECT id FROM jobs WHERE run_id = ? AND finished_at IS NULL", runId)) {
		cancelJob(core, findJob(core, id) as JobRow, reason);
	}
	updateRun(core, runId);
}

/** The error for a cancel of a run or job that has ended by itself. */
export function alreadyOver(what: "run" | "job", id: string, state: string): ApiError {
	return new ApiError("conflict", `The ${what} has ended: ${state}.`, {
		details: { id, state },
		suggestions: ["Nothing is left to cancel. Its page shows its result."],
	});
}
