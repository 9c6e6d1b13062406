import { asksForStatus } from "../../../../schema/pipeline/runtime/decide.ts";
import { FAIL_FAST, failFastReason } from "../../../../schema/wire/reasons.ts";
import { isTerminal } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { findRun, type JobRow, jobsOf, type RunRow } from "../rows.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";
import { stopJob } from "./stop.ts";

/** `fail_fast`: the first job that fails ends the other jobs of its matrix, or of its run. */

/** Whether another failure cancelled the job. For the state of its run it counts as skipped. */
export function wasEndedEarly({ state, reason_code }: Pick<JobRow, "state" | "reason_code">): boolean {
	return state === "cancelled" && reason_code === FAIL_FAST;
}

/**
 * Cancels the other running jobs and skips the waiting ones. A job whose condition asks for the
 * outcome of others stays, because it exists for this case. Call it inside a command.
 * @returns the jobs that have ended
 */
export function failFast(core: Core, failed: JobRow): JobRow[] {
	const run = findRun(core, failed.run_id) as RunRow;
	const isOfRun = pipelineOf(core, run).fail_fast;
	if (!isOfRun && !definitionOf(core, failed).fail_fast) return [];
	const others = jobsOf(core, failed.run_id).flatMap((job) => (job.id !== failed.id && job.finished_at === null ? { ...job } : []));
	const reason = failFastReason(failed.name);
	return others.filter((job) => {
		if (!isOfRun && job.key !== failed.key) return false;
		if (asksForStatus(definitionOf(core, job))) return false;
		stopJob(core, job, "skip", reason);
		return isTerminal(job.state);
	});
}
