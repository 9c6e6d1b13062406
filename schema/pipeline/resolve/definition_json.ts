import type { ResolvedJob, ResolvedPipeline } from "./resolved.ts";

/**
 * The stored form of a resolved pipeline. It leaves out what `readDefinition` fills in again: most
 * steps and jobs use few of the keys that they may have.
 */

/** The parts with their defaults, which are those of the schemas in resolved.ts and wire/work.ts. */
const STEP = { id: null, condition: null, asks_for_status: false, build: null, continue_on_error: false, retry: null, group: null };
const JOB = {
	matrix: null,
	condition: null,
	container: null,
	services: [],
	secrets: {},
	idle_timeout_ms: null,
	allow_failure: false,
	fail_fast: false,
	max_parallel: null,
	concurrency: null,
	approval: null,
	outputs: [],
	finally: null,
	reports: null,
	caches: [],
	build_caches: [],
	discovery: null,
	added_by: null,
	expansion: null,
	lists_refs: false,
};
const PIPELINE = {
	is_command: false,
	is_partial: false,
	is_beside_push: false,
	branch: null,
	pull_request: null,
	sha: null,
	base_sha: null,
	merge_target: null,
	params: {},
	doubles: [],
	changed: {},
	timeout_ms: null,
	fail_fast: false,
	concurrency: null,
	notify: [],
	replaces: null,
	placeholders: {},
	includes: [],
};
const ARTIFACTS = { entries: [], fetch: [] };

/** A resolved pipeline as JSON; equal pipelines have equal texts. */
export function definitionJson(pipeline: ResolvedPipeline): string {
	return JSON.stringify({ ...withoutDefaults(pipeline, PIPELINE), jobs: pipeline.jobs.map(storedJob) });
}

/** A job as JSON. */
export function jobJson(job: ResolvedJob): string {
	return JSON.stringify(storedJob(job));
}

function storedJob(job: ResolvedJob): object {
	const { finally: last } = job;
	return {
		...withoutDefaults(job, JOB),
		steps: job.steps.map((step) => withoutDefaults(step, STEP)),
		...(last && { finally: { ...last, steps: last.steps.map((step) => withoutDefaults(step, STEP)) } }),
		artifacts: withoutDefaults(job.artifacts, ARTIFACTS),
	};
}

function withoutDefaults(values: Readonly<Record<string, unknown>>, defaults: Readonly<Record<string, unknown>>): Record<string, unknown> {
	return Object.fromEntries(
		Object.entries(values).filter(([key, value]) => !(Object.hasOwn(defaults, key) && isSame(value, defaults[key]))),
	);
}

/** Whether two values are the same, where the second one is simple or empty. */
function isSame(value: unknown, simple: unknown): boolean {
	if (typeof simple !== "object" || simple === null) return value === simple;
	return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}
