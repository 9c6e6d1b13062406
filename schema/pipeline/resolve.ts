import * as z from "zod";
import { DEFAULT_JOB_TIMEOUT_MS } from "../wire/limits.ts";
import { type JobText, type PipelineOfJobs, type PipelineOfSteps, RETRY_CAUSES, SHELLS, type SourceText } from "./language.ts";

/** A pipeline after parsing, with every default filled in: what a run stores and an agent is given. */

const resolvedStep = z.object({
	name: z.string(),
	run: z.string(),
	env: z.record(z.string(), z.string()),
	working_directory: z.string().nullable(),
	shell: z.enum(SHELLS),
	timeout_ms: z.number().nullable(),
});

const resolvedJob = z.object({
	key: z.string(),
	name: z.string(),
	needs: z.array(z.string()),
	runs_on: z.array(z.string()),
	env: z.record(z.string(), z.string()),
	timeout_ms: z.number(),
	/** Null: the defaults for every cause. */
	retry: z.object({ attempts: z.number(), on: z.array(z.enum(RETRY_CAUSES)) }).nullable(),
	steps: z.array(resolvedStep),
	artifacts: z.object({ save: z.array(z.string()) }),
});
export type ResolvedJob = z.infer<typeof resolvedJob>;

const resolvedPipeline = z.object({
	name: z.string(),
	source: z.union([z.object({ git: z.string(), ref: z.string().nullable() }), z.object({ upload: z.string() })]).nullable(),
	priority: z.number(),
	jobs: z.array(resolvedJob),
});
export type ResolvedPipeline = z.infer<typeof resolvedPipeline>;

/** What a submission says beside the pipeline; it wins over the pipeline's own words. */
export interface Overrides {
	env: Record<string, string>;
	source: SourceText | undefined;
	runs_on: string[] | undefined;
	priority: number | undefined;
}

/** The resolved form of a valid pipeline. Precedence of env: submission, job, pipeline. */
export function resolvePipeline(pipeline: PipelineOfJobs | PipelineOfSteps, overrides: Overrides): ResolvedPipeline {
	const jobs = "jobs" in pipeline ? Object.entries(pipeline.jobs) : [["main", topLevelJob(pipeline)] as const];
	return {
		name: pipeline.name ?? "pipeline",
		source: overrides.source ?? pipeline.source ?? null,
		priority: overrides.priority ?? pipeline.priority ?? 0,
		jobs: jobs.map(([key, job]) => resolveJob(key, job, pipeline, overrides)),
	};
}

function topLevelJob(pipeline: PipelineOfSteps): JobText {
	const { runs_on, timeout, retry, artifacts, steps } = pipeline;
	return { runs_on, timeout, retry, artifacts, steps };
}

function resolveJob(key: string, job: JobText, pipeline: PipelineOfJobs | PipelineOfSteps, overrides: Overrides): ResolvedJob {
	const { defaults } = pipeline;
	const retry = job.retry ?? defaults?.retry;
	return {
		key,
		name: job.name ?? key,
		needs: [...new Set(job.needs ?? [])],
		runs_on: [...new Set(overrides.runs_on ?? job.runs_on ?? defaults?.runs_on ?? [])].sort(),
		env: { ...pipeline.env, ...job.env, ...overrides.env },
		timeout_ms: job.timeout ?? defaults?.timeout ?? DEFAULT_JOB_TIMEOUT_MS,
		retry: retry ? { attempts: retry.attempts, on: retry.on ?? [...RETRY_CAUSES] } : null,
		steps: job.steps.map((step) => ({
			name: step.name ?? firstLine(step.run),
			run: step.run,
			env: step.env ?? {},
			working_directory: step.working_directory ?? defaults?.working_directory ?? null,
			shell: step.shell ?? defaults?.shell ?? "bash",
			timeout_ms: step.timeout ?? null,
		})),
		artifacts: { save: job.artifacts?.save ?? [] },
	};
}

function firstLine(script: string): string {
	const line = script.trim().split("\n", 1)[0] ?? "";
	return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
