import type { Explanation, Job } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { logProgress } from "../logs/service.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { presentJob } from "../record/present.ts";
import type { JobRecord } from "../record/runs.ts";

/** The current state of a job. The shard of the log has the steps of a running attempt. */
export async function describeJob(environment: Environment, record: JobRecord): Promise<Job> {
	const job = presentJob(record);
	const newest = record.attempts.at(-1);
	const presented = job.attempts.at(-1);
	if (!newest || !presented || isTerminal(newest.state)) return job;
	const { steps, bytes } = await logProgress(environment, newest);
	presented.steps = steps;
	presented.log.bytes = bytes;
	return { ...job, steps };
}

/** Why a job is in its state. */
export async function explain(environment: Environment, record: JobRecord): Promise<Explanation> {
	const { job } = record;
	const live = await dispatcherOf(environment, job.team).explain(job.id);
	return (
		live ?? {
			job_id: job.id,
			state: job.state,
			summary: job.reason_text ?? `The job has ended: ${job.state}.`,
			position: null,
			waiting_for: [],
			retry_at: null,
			agents: [],
		}
	);
}
