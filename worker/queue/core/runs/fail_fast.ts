import { asksForStatus } from "../../../../schema/pipeline/runtime/decide.ts";
import { FAIL_FAST, failFastReason } from "../../../../schema/wire/reasons.ts";
import { isTerminal } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { findRun, type JobRow, type RunRow } from "../rows.ts";
import { definitionOf, pipelineOf } from "./definitions.ts";
import { stopJob } from "./stop.ts";

/** `fail_fast`: the first job that fails ends the other jobs of its matrix, or of its run. */

/**
 * SQL over `jobs`: another failure cancelled the job. For the state of its run it counts as
 * skipped.
 */
export const WAS_ENDED_EARLY = `state = 'cancelled' AND reason_code = '${FAIL_FAST}'`;
/** SQL over `jobs`: the job ended for a reason of its own. */
export const IS_OWN_END = `coalesce(reason_code, '') <> '${FAIL_FAST}'`;

/**
 * Cancels the other running jobs and skips the waiting ones. A job whose condition asks for the
 * outcome of others stays, because it exists for this case. Call it inside a command.
 * @returns the jobs that have ended
 */
export function failFast(core: Core, failed: JobRow): JobRow[] {
	const run = findRun(core, failed.run_id) as RunRow;
	const isOfRun = pipelineOf(core, run).fail_fast;
	if (!isOfRun && !definitionOf(core, failed).fail_fast) return [];
	const others = core.sql.all<JobRow>(
		"SELECT * FROM jobs WHERE run_id = ? AND id <> ? AND finished_at IS NULL ORDER BY position",
		failed.run_id,
		failed.id,
	);
	const reason = failFastReason(failed.name);
	return others.filter((job) => {
		if (!isOfRun && job.key !== failed.key) return false;
		if (asksForStatus(definitionOf(core, job))) return false;
		stopJob(core, job, "skip", reason);
		return isTerminal(job.state);
	});
}
