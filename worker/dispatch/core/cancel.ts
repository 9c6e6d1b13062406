import { ApiError, notFound } from "../../../schema/wire/errors.ts";
import { isTerminal, type Reason } from "../../../schema/wire/states.ts";
import { type Core, command, nextRev } from "./core.ts";
import { withdrawOffer } from "./offers.ts";
import { markDirty } from "./outbox.ts";
import { afterJobEnded, updateRun } from "./progress.ts";
import { findJob, findRun, type JobRow } from "./rows.ts";
import { clearTimer, setTimer } from "./timers.ts";
import { moveJob } from "./transitions.ts";

/** Cancelling: at once what does not run, by way of its agent what does; and by its own deadline if the agent does not heed it. */

/** How long beyond the kill grace an agent may take to end a cancelled job. */
const CANCEL_SLACK_MS = 30_000;

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
	const body = () => {
		const job = findJob(core, jobId);
		if (!job) throw notFound("job", jobId);
		if (job.state === "cancelled") return;
		if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
		cancelJob(core, job, { code: "cancelled", text: `Cancelled by ${actor}.` });
	};
	command(core, body, actor);
}

/** Cancels a run; one that is cancelled already stays so. @throws ApiError `not_found`, `conflict` if it ended otherwise */
export function cancelRun(core: Core, runId: string, actor: string): void {
	const body = () => {
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
	};
	command(core, body, actor);
}

/** What a cancel of something that ended by itself is answered with. */
export function alreadyOver(what: "run" | "job", id: string, state: string): ApiError {
	return new ApiError("conflict", `The ${what} is over: ${state}.`, { details: { id, state } });
}
