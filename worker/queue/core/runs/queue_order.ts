import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import { type Core, command, nextRev } from "../core.ts";
import { changeRow, findJob, type JobRow, type RunRow } from "../rows.ts";
import { explainQueuedJobs, type RunWait } from "./explain.ts";
import { queuedByPartition } from "./queued_jobs.ts";

/** The queued jobs in their order. */

/** A job that waits for an agent, with its run. */
export interface QueuedJob {
	job: Pick<JobRow, "id" | "name" | "queued_at" | "run_id">;
	run: Pick<RunRow, "number" | "project" | "pipeline" | "priority">;
	/** What it waits for. */
	wait: RunWait | null;
	/** How many agents can take it. */
	fitting: number;
}

export interface Queue {
	/** How many jobs are queued in all. */
	total: number;
	/** The first ones. Jobs of projects with fewer running jobs may go first. */
	jobs: QueuedJob[];
}

interface Listed {
	id: string;
	name: string;
	queued_at: number | null;
	run_id: string;
	number: number;
	project: string;
	pipeline: string;
	priority: number;
}

/** The first queued jobs: by priority, then by their time in the queue. */
export function readQueue(core: Core, limit: number): Queue {
	const rows = core.sql.all<Listed>(
		`SELECT j.id, j.name, j.queued_at, j.run_id, r.number, r.project, r.pipeline, p.priority
		FROM jobs AS j JOIN queue_partitions AS p ON p.id = j.partition_id JOIN runs AS r ON r.id = j.run_id
		WHERE j.state = 'queued' ORDER BY p.priority DESC, j.entry LIMIT ?`,
		limit,
	);
	const waits = explainQueuedJobs(
		core,
		rows.map(({ id }) => id),
	);
	return {
		total: [...queuedByPartition(core).values()].reduce((sum, n) => sum + n, 0),
		jobs: rows.map(({ id, name, queued_at, run_id, number, project, pipeline, priority }) => ({
			job: { id, name, queued_at, run_id },
			run: { number, project, pipeline, priority },
			wait: waits.get(id)?.wait ?? null,
			fitting: waits.get(id)?.fitting ?? 0,
		})),
	};
}

/**
 * Puts a queued job before the other jobs of its project with the same priority. Projects with fewer
 * running jobs still go first.
 * @throws ApiError `not_found`; `conflict` for a job that does not wait for an agent
 */
export function moveToFront(core: Core, jobId: string): void {
	command(core, () => {
		const job = findJob(core, jobId);
		if (!job) throw notFound("job", jobId);
		if (job.state !== "queued") {
			throw new ApiError("conflict", `The job ${job.name} does not wait for an agent. It is ${job.state}.`, {
				details: { state: job.state },
				suggestions: ["Move a job that is queued."],
			});
		}
		const [first] = core.sql.all<{ entry: number }>("SELECT min(entry) AS entry FROM jobs WHERE state = 'queued'");
		if (first && first.entry < job.entry) changeRow(core, "jobs", jobId, { entry: first.entry - 1, rev: nextRev(core) });
	});
}
