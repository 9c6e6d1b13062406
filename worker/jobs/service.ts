import type { Explanation, Job } from "../../schema/wire/resources.ts";
import { isTerminal } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { queueForecast, startText } from "../estimates/service.ts";
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
	if (live?.state === "queued") return withForecast(environment, job.team, live);
	return (
		live ?? {
			job_id: job.id,
			state: job.state,
			summary: job.reason_text ?? `The job has ended: ${job.state}.`,
			position: null,
			waiting_for: [],
			starts_in_ms: null,
			retry_at: null,
			agents: [],
		}
	);
}

/** Only for so many queued jobs the starts are estimated. Each looks at the jobs before it. */
const FORESEEN = 200;
const ORDINALS = ["First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"];

/** Adds to a queued job where it is in the queue, and when it will start. */
async function withForecast(environment: Environment, team: string, live: Explanation): Promise<Explanation> {
	const { position } = live;
	if (position === null || position > FORESEEN || live.agents.every(({ fits }) => !fits)) return live;
	const [pause, { queue, starts }] = await Promise.all([
		dispatcherOf(environment, team).readPause(),
		queueForecast(environment, team, position),
	]);
	if (pause) return live;
	const start = starts[queue.jobs.findIndex(({ job }) => job.id === live.job_id)] ?? null;
	const place = `${ORDINALS[position - 1] ?? `No. ${position}`} in the queue`;
	const text = start === null ? `${place}.` : `${place}, ${startText(start)}.`;
	return { ...live, starts_in_ms: start === null ? null : Math.round(start), summary: `${live.summary} ${text}` };
}
