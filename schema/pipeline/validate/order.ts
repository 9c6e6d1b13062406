import { nearest } from "../../text/nearest_word.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, type ValidationError } from "./errors.ts";
import { ancestorsOf } from "./graph.ts";
import type { JobText, NeedText, PipelineOfJobs } from "./language.ts";

/**
 * `stages`, and `needs: "*"`: an order of jobs that does not name each need. They become needs that
 * only say the order: a job that is skipped by its own condition holds up nobody.
 */

/** The need of all other jobs. */
export const ALL_JOBS = "*";

/** The pipeline with the needs that its stages mean, or the errors in them. */
export function* withOrder(pipeline: PipelineOfJobs): SlicedWork<{ pipeline: PipelineOfJobs; errors: ValidationError[] }> {
	const errors = [...stageErrors(pipeline), ...allJobsErrors(pipeline)];
	if (errors.length > 0) return { pipeline, errors };
	const staged = yield* withStages(pipeline);
	return { pipeline: yield* withAllJobs(staged), errors };
}

function* stageErrors({ stages, jobs }: PipelineOfJobs): Generator<ValidationError> {
	for (const [index, stage] of (stages ?? []).entries()) {
		if (stages?.indexOf(stage) === index) continue;
		yield { path: ["stages", String(index)], message: `The stage ${code(stage)} is there twice.`, suggestion: "Remove one of them." };
	}
	for (const [key, { stage, needs }] of Object.entries(jobs)) {
		const path = ["jobs", key];
		if (stage !== undefined && stages === undefined) {
			const message = "The pipeline has no `stages`.";
			yield { path: [...path, "stage"], message, suggestion: "List them at the top, in their order: stages: [build, test, deploy]." };
		} else if (stage !== undefined && !stages?.includes(stage)) {
			const near = nearest(stage, stages ?? []);
			const suggestion = near ? `Did you mean ${code(near)}?` : `The stages are ${stages?.join(", ")}.`;
			yield { path: [...path, "stage"], message: `Unknown stage ${code(stage)}.`, suggestion };
		} else if (stage === undefined && stages !== undefined && needs === undefined) {
			const message = `Job ${code(key)} has neither \`stage\` nor \`needs\`: the stages do not say when it begins.`;
			yield { path, message, suggestion: "Add its stage, or needs: [] to begin at once." };
		}
	}
}

function* allJobsErrors({ jobs }: PipelineOfJobs): Generator<ValidationError> {
	const asking = Object.entries(jobs).filter(([, job]) => needsAll(job));
	for (const [key, { needs }] of asking) {
		const path = ["jobs", key, "needs"];
		if ((needs ?? []).length > 1) yield { path, message: '`"*"` means all other jobs.', suggestion: 'Write it alone: needs: "*".' };
		else if (needs?.[0]?.matrix) yield { path, message: '`"*"` selects no matrix jobs.', suggestion: 'Write it alone: needs: "*".' };
	}
	const [first, second] = asking;
	if (first && second) {
		const message = `Jobs ${code(first[0])} and ${code(second[0])} need each other: both need all other jobs.`;
		yield { path: ["jobs", second[0], "needs"], message, suggestion: `Name the jobs that ${second[0]} needs.` };
	}
}

function needsAll({ needs }: JobText): boolean {
	return (needs ?? []).some(({ job }) => job === ALL_JOBS);
}

/** A job without needs begins when all jobs of the stages before its own have ended well. */
function* withStages(pipeline: PipelineOfJobs): SlicedWork<PipelineOfJobs> {
	const { stages, jobs } = pipeline;
	if (stages === undefined) return pipeline;
	const needs = new Map(Object.entries(jobs).map(([key, job]) => [key, (job.needs ?? []).map((need) => need.job)]));
	const ordered: Record<string, JobText> = { ...jobs };
	for (const [index, stage] of stages.entries()) {
		const before = stages.slice(0, index).map((one) => keysOf(jobs, one));
		// The jobs of the nearest stage wait for most of those before it.
		const nearestKeys = before.findLast((keys) => keys.length > 0) ?? [];
		const covered = new Set(nearestKeys.flatMap((key) => [key, ...ancestorsOf(key, needs)]));
		yield 20 + covered.size;
		const wanted = [...nearestKeys, ...before.flat().filter((key) => !covered.has(key))];
		for (const key of keysOf(jobs, stage)) {
			const job = jobs[key] as JobText;
			if (job.needs !== undefined) continue;
			ordered[key] = { ...job, needs: wanted.map(inOrder) };
			needs.set(key, wanted);
			yield 1 + wanted.length / 10;
		}
	}
	return { ...pipeline, jobs: ordered };
}

function keysOf(jobs: PipelineOfJobs["jobs"], stage: string): string[] {
	return Object.entries(jobs).flatMap(([key, job]) => (job.stage === stage ? [key] : []));
}

/** The job with `needs: "*"` comes after every job that does not need it. */
function* withAllJobs(pipeline: PipelineOfJobs): SlicedWork<PipelineOfJobs> {
	const { jobs } = pipeline;
	const [asking] = Object.entries(jobs).find(([, job]) => needsAll(job)) ?? [];
	if (asking === undefined) return pipeline;
	const needs = new Map(Object.entries(jobs).map(([key, job]) => [key, (job.needs ?? []).map((need) => need.job)]));
	const others: string[] = [];
	for (const key of Object.keys(jobs)) {
		yield 5 + (needs.get(key)?.length ?? 0) / 5;
		if (key !== asking && !ancestorsOf(key, needs).has(asking)) others.push(key);
	}
	return { ...pipeline, jobs: { ...jobs, [asking]: { ...(jobs[asking] as JobText), needs: others.map(inOrder) } } };
}

function inOrder(job: string): NeedText {
	return { job, is_order: true };
}
