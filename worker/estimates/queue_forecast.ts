import { formatDuration } from "../../schema/wire/duration.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { isTaking } from "../queue/core/agents/availability.ts";
import type { Queue } from "../queue/core/runs/queue_order.ts";
import { findRunRow } from "../record/runs.ts";
import { expectedStarts } from "./expected_starts.ts";
import { usualDurations } from "./usual_durations.ts";

/** Of so many runs the usual durations are looked up. */
const RUNS_KNOWN = 12;

/** The queue, and when its jobs will start. */
export interface QueueForecast {
	queue: Queue;
	/** The slots of the agents that take jobs. */
	slots: number;
	/** For each listed job: the time until it starts, in milliseconds; null where it is unknown. */
	starts: readonly (number | null)[];
}

/** @param limit how many queued jobs are looked at */
export async function queueForecast(environment: Environment, team: string, limit: number): Promise<QueueForecast> {
	const dispatcher = dispatcherOf(environment, team);
	const [queue, agents] = await Promise.all([dispatcher.readQueue(limit), dispatcher.readAgents()]);
	const taking = agents.filter(({ agent }) => isTaking(agent));
	const slots = taking.reduce((sum, { agent }) => sum + agent.slots, 0);
	const running = taking.flatMap((rows) => rows.running);
	const wanted = [...running, ...queue.jobs.map(({ job }) => job)].map(({ run_id }) => run_id);
	const usual = await usualMsOf(environment, team, wanted);
	const now = Date.now();
	const runningMs = running.map(({ run_id, job_name, started_at }) => {
		const usualMs = usual(run_id, job_name);
		return usualMs === null ? null : Math.max(0, started_at + usualMs - now);
	});
	const capacity = { agents: taking.length, slots, runningMs };
	return { queue, slots, starts: expectedStarts(queue.jobs, capacity, ({ job }) => usual(job.run_id, job.name)) };
}

/** The usual durations of jobs by their runs and names, in milliseconds. */
async function usualMsOf(
	environment: Environment,
	team: string,
	runIds: readonly string[],
): Promise<(runId: string, job: string) => number | null> {
	const ids = [...new Set(runIds)].slice(0, RUNS_KNOWN);
	const found = new Map(
		await Promise.all(
			ids.map(async (id) => {
				const run = await findRunRow(environment, team, id);
				return [id, run ? (await usualDurations(environment.DB, run)).jobs : null] as const;
			}),
		),
	);
	return (runId, job) => found.get(runId)?.get(job)?.p50_ms ?? null;
}

/** An expected start is an estimate: it is shown in steps of 10 seconds, and of a minute. */
const STEP_MS = 10_000;
const LONG_MS = 10 * 60_000;

/** When a job starts, in words: `starts in about 4m`. */
export function startText(ms: number): string {
	const step = ms < LONG_MS ? STEP_MS : 6 * STEP_MS;
	return ms < STEP_MS ? "starts soon" : `starts in about ${formatDuration(Math.round(ms / step) * step)}`;
}
