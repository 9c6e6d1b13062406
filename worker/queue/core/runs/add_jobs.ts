import type { ResolvedJob, ResolvedPipeline } from "../../../../schema/pipeline/resolve/resolved.ts";
import { ApiError } from "../../../../schema/wire/errors.ts";
import { MAX_JOBS } from "../../../../schema/wire/limits.ts";
import { type Core, command } from "../core.ts";
import { type LeaseClaims, liveAttempt } from "../leases/attempts.ts";
import { findJob, findRun, type JobRow, jobOf, type RunRow } from "../rows.ts";
import { pipelineOf } from "./definitions.ts";
import { idsOf, insertJob, ownerOf, replaceDefinition } from "./job_rows.ts";
import { advance, afterJobEnded, CANCEL_BY, updateRun } from "./progress.ts";

/** Jobs that are added to a run while it is under way: a job of the run uploads them. */

/** What an upload is validated against. */
export interface UploadTarget {
	/** The stored pipeline of the run, and its key. */
	definition: string;
	pipeline: ResolvedPipeline;
	project: string;
	event: string;
	/** The key of the job that uploads. */
	key: string;
}

/** Jobs that were validated against a pipeline of the run. */
export interface UploadedJobs {
	/** The key of that pipeline. */
	definition: string;
	/** The digest of the uploaded text. */
	digest: string;
	jobs: ResolvedJob[];
}

/**
 * What the jobs of an upload must fit to. @throws ApiError `attempt_superseded`,
 * `attempt_finished`, `conflict` in a run that is being cancelled
 */
export function uploadTarget(core: Core, lease: LeaseClaims): UploadTarget {
	const { job, run } = uploader(core, lease);
	return { definition: run.definition, pipeline: pipelineOf(core, run), project: run.project, event: run.trigger_kind, key: job.key };
}

/**
 * Adds jobs to the run of a live attempt. The same upload of the same job adds nothing twice, also
 * in another attempt.
 * @returns the names of the jobs; null if the run has another pipeline by now, and the jobs must be
 * validated again
 * @throws ApiError as `uploadTarget`
 */
export function addJobs(core: Core, lease: LeaseClaims, { definition, digest, jobs }: UploadedJobs): string[] | null {
	const body = () => {
		const { job, run } = uploader(core, lease);
		const known = addedBefore(pipelineOf(core, run), job.key, digest);
		if (known.length > 0) return known.map(({ name }) => name);
		if (run.definition !== definition) return null;
		const added = jobs.map((one) => ({ ...one, added_by: { key: job.key, digest } }));
		addToRun(core, run, added);
		return added.map(({ name }) => name);
	};
	return command(core, body);
}

/** The jobs that this upload of this job has added. */
export function addedBefore({ jobs }: ResolvedPipeline, key: string, digest: string): ResolvedJob[] {
	return jobs.filter(({ added_by }) => added_by?.key === key && added_by.digest === digest);
}

function uploader(core: Core, lease: LeaseClaims): { job: JobRow; run: RunRow } {
	const job = jobOf(core, liveAttempt(core, lease));
	const run = findRun(core, job.run_id) as RunRow;
	if (run.cancel_requested === CANCEL_BY.nobody && job.state === "running") return { job, run };
	throw new ApiError("conflict", "The job or its run is being cancelled: no job is added.", {
		details: { run_id: run.id, state: run.state },
		suggestions: ["Rerun the run."],
	});
}

/** Writes the new jobs of a run, and moves them as far as they can go. Call it inside a command. */
function addToRun(core: Core, run: RunRow, added: readonly ResolvedJob[]): void {
	const before = pipelineOf(core, run);
	if (before.jobs.length + added.length > MAX_JOBS) {
		throw new ApiError(
			"validation_failed",
			`A run has at most ${MAX_JOBS} jobs; with these it would have ${before.jobs.length + added.length}.`,
			{
				details: { errors: [], limit: MAX_JOBS },
				suggestions: ["Upload fewer jobs."],
			},
		);
	}
	const pipeline = { ...before, jobs: [...before.jobs, ...added] };
	replaceDefinition(core, run, pipeline);
	const ids = new Map([...idsOf(core, run.id, before), ...added.map((job) => [job, core.newId("job")] as const)]);
	const owner = ownerOf(run, pipeline);
	for (let position = before.jobs.length; position < pipeline.jobs.length; position += 1) insertJob(core, owner, position, ids);
	for (const job of added) {
		// Read again: the jobs before may have ended it.
		const row = findJob(core, ids.get(job) as string) as JobRow;
		if (advance(core, row)) afterJobEnded(core, row);
	}
	updateRun(core, run.id);
}
