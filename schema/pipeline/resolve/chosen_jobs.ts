import { nearest } from "../../text/nearest_word.ts";
import { ancestorsOf } from "../validate/graph.ts";
import type { ResolvedPipeline } from "./resolved.ts";

/** A chosen job that the pipeline does not have, by its position among the chosen ones. */
export interface UnknownJob {
	index: number;
	message: string;
	suggestion: string;
}

/**
 * A pipeline with only some of its jobs, and those that they need.
 * @param chosen keys of jobs
 */
export function withChosenJobs(
	pipeline: ResolvedPipeline,
	chosen: readonly string[],
): { pipeline: ResolvedPipeline; unknown: UnknownJob[] } {
	const keys = [...new Set(pipeline.jobs.map(({ key }) => key))];
	const unknown = chosen.flatMap((key, index) => {
		if (keys.includes(key)) return [];
		const near = nearest(key, keys);
		const suggestion = near === null ? `The jobs are: ${keys.slice(0, 20).join(", ")}.` : `Did you mean \`${near}\`?`;
		return { index, message: `The pipeline has no job \`${key}\`.`, suggestion };
	});
	const needs = new Map(pipeline.jobs.map((job) => [job.key, job.needs.map((need) => need.key)]));
	const kept = new Set(chosen.flatMap((key) => [key, ...ancestorsOf(key, needs)]));
	return { pipeline: { ...pipeline, is_partial: true, jobs: pipeline.jobs.filter(({ key }) => kept.has(key)) }, unknown };
}
