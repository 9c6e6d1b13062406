import type { JobState, Reason } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { type JobRow, jobsOf } from "../rows.ts";
import { definitionOf } from "./definitions.ts";

/** `max_parallel`: how many matrix jobs of a job are in the queue or run at once. */

const MAX_PARALLEL = "max_parallel";
const AT_WORK: ReadonlySet<JobState> = new Set(["queued", "leased", "running", "cancelling"]);

/** Why a job waits for other matrix jobs of its job; null if there is room for it. */
export function waitForRoom(core: Core, job: JobRow): Reason | null {
	const { max_parallel } = definitionOf(core, job);
	if (max_parallel === null) return null;
	const others = jobsOf(core, job.run_id).filter((one) => one.key === job.key && one.id !== job.id && AT_WORK.has(one.state));
	if (others.length < max_parallel) return null;
	return { code: MAX_PARALLEL, text: `Waits for other matrix jobs of ${job.key}: at most ${max_parallel} run at once.` };
}

/** The matrix jobs that wait until others of their job have ended, in the order of the pipeline. */
export function waitingForRoom(core: Core, job: JobRow): JobRow[] {
	if (definitionOf(core, job).max_parallel === null) return [];
	const isWaiting = (one: Readonly<JobRow>) => one.key === job.key && one.state === "blocked" && one.reason_code === MAX_PARALLEL;
	return jobsOf(core, job.run_id).flatMap((one) => (isWaiting(one) ? { ...one } : []));
}
