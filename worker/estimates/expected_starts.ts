import type { Queue } from "../queue/core/runs/queue_order.ts";

/** When queued jobs will start, if every job takes its usual time. */

/** The agents that take jobs now, and when their slots get free. */
export interface Capacity {
	agents: number;
	slots: number;
	/** The rest of the usual time of each running job, in milliseconds; null where it is unknown. */
	runningMs: readonly (number | null)[];
}

/**
 * The time until each queued job starts, in milliseconds; null where it is unknown: not every agent can
 * take the job, or the usual time of a job before it is unknown.
 * @param usualMs the usual duration of a queued job
 */
export function expectedStarts(
	jobs: Queue["jobs"],
	{ agents, slots, runningMs }: Capacity,
	usualMs: (job: Queue["jobs"][number]) => number | null,
): (number | null)[] {
	const soonest = runningMs.map((ms) => ms ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
	const free = Array.from({ length: slots }, (_, index) => Math.max(0, soonest[index] ?? 0));
	return jobs.map((job) => {
		const start = Math.min(...free);
		if (job.fitting < agents || !Number.isFinite(start)) return null;
		free[free.indexOf(start)] = start + (usualMs(job) ?? Number.POSITIVE_INFINITY);
		return start;
	});
}
