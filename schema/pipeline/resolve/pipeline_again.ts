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
	const addedAgain = jobsAddedAgain(ran.jobs, runsAgain);
	const isMadeAgain = (job: ResolvedJob) => job.key in ran.placeholders && job.needs.some(({ key }) => runsAgain(key));
	const jobs: ResolvedJob[] = [];
	const positions = new Map<number, number>();
	const placed = new Set<string>();
	for (const [position, job] of ran.jobs.entries()) {
		if (addedAgain.has(job)) continue;
		if (!isMadeAgain(job)) {
			positions.set(position, jobs.length);
			jobs.push(job);
		} else if (!placed.has(job.key)) {
			placed.add(job.key);
			jobs.push(ran.placeholders[job.key] as ResolvedJob);
		}
	}
	const kept = new Set(jobs.map(({ key }) => key));
	const placeholders = Object.fromEntries(Object.entries(ran.placeholders).filter(([key]) => kept.has(key) && !placed.has(key)));
	return { pipeline: { ...ran, jobs, placeholders, replaces: null }, positions };
}

/**
 * The jobs that are added again: their uploader runs again, or is itself added again. An upload that
 * a job of another one needs is kept: its repetition adds nothing.
 */
function jobsAddedAgain(jobs: readonly ResolvedJob[], runsAgain: (key: string) => boolean): ReadonlySet<ResolvedJob> {
	const added = jobs.filter(({ added_by }) => added_by !== null);
	const uploads = [...Map.groupBy(added, ({ added_by }) => JSON.stringify(added_by)).values()];
	const kept = new Set<readonly ResolvedJob[]>();
	for (;;) {
		const again = addedAgain(jobs, uploads, kept, runsAgain);
		const needed = new Set(jobs.filter((job) => !again.has(job)).flatMap(({ needs }) => needs.map(({ key }) => key)));
		const missing = uploads.filter((upload) => upload.some((job) => again.has(job) && needed.has(job.key)));
		if (missing.length === 0) return again;
		for (const upload of missing) kept.add(upload);
	}
}

/** The same with the uploads that are kept in any case. */
function addedAgain(
	jobs: readonly ResolvedJob[],
	uploads: readonly (readonly ResolvedJob[])[],
	kept: ReadonlySet<readonly ResolvedJob[]>,
	runsAgain: (key: string) => boolean,
): Set<ResolvedJob> {
	const again = new Set<ResolvedJob>();
	const isGone = (key: string) => jobs.every((job) => job.key !== key || again.has(job));
	// An upload may come from a job of another one: as many rounds as uploads are nested.
	for (let size = -1; size < again.size; ) {
		size = again.size;
		for (const upload of uploads) {
			const uploader = upload[0]?.added_by?.key ?? "";
			if (!kept.has(upload) && (runsAgain(uploader) || isGone(uploader))) for (const job of upload) again.add(job);
		}
	}
	return again;
}
