import type { ResolvedJob, ResolvedPipeline } from "./resolved.ts";

/** The pipeline of a rerun, and the positions in it of jobs of the former run. */
export interface PipelineAgain {
	pipeline: ResolvedPipeline;
	/** The position in the former run → the position in the rerun; jobs that are made anew have none. */
	positions: ReadonlyMap<number, number>;
}

/**
 * The pipeline for a rerun: without the jobs that a job adds again when it runs again, and with the
 * jobs whose matrix comes from outputs as they were before, where these outputs are made again.
 * @param reused the positions of the jobs whose results are taken over
 */
export function pipelineAgain(ran: ResolvedPipeline, reused: ReadonlySet<number>): PipelineAgain {
	const runsAgain = (key: string) => ran.jobs.some((job, position) => job.key === key && !reused.has(position));
	const isAddedAgain = ({ added_by }: ResolvedJob) => added_by !== null && runsAgain(added_by.key);
	const isMadeAgain = (job: ResolvedJob) => job.key in ran.placeholders && job.needs.some(({ key }) => runsAgain(key));
	const jobs: ResolvedJob[] = [];
	const positions = new Map<number, number>();
	const placed = new Set<string>();
	for (const [position, job] of ran.jobs.entries()) {
		if (isAddedAgain(job)) continue;
		if (!isMadeAgain(job)) {
			positions.set(position, jobs.length);
			jobs.push(job);
		} else if (!placed.has(job.key)) {
			placed.add(job.key);
			jobs.push(ran.placeholders[job.key] as ResolvedJob);
		}
	}
	const placeholders = Object.fromEntries(Object.entries(ran.placeholders).filter(([key]) => !placed.has(key)));
	return { pipeline: { ...ran, jobs, placeholders, replaces: null }, positions };
}
