import { expressionsOf } from "../expressions/template.ts";
import type { JobText, PipelineOfJobs, PipelineOfSteps } from "./language.ts";
import { axesFromOutputs } from "./matrix.ts";
import { type PlacedStep, placedSteps } from "./steps.ts";
import { isTemplate } from "./values.ts";

/** The texts of a pipeline that may contain `${{ }}`, with their paths. */

export type Pipeline = PipelineOfJobs | PipelineOfSteps;

/**
 * When the expressions of a text are filled in: at the submission, before the job, before the step,
 * or once the source of the job is there.
 */
type Moment = "early" | "late" | "step" | "cache";

export interface TemplateAt {
	path: string[];
	text: string;
	moment: Moment;
}

/** The jobs of a pipeline with their paths; `steps` at the top are one job. */
export function jobEntries(pipeline: Pipeline): [string, { job: JobText; path: string[] }][] {
	if ("jobs" in pipeline) return Object.entries(pipeline.jobs).map(([key, job]) => [key, { job, path: ["jobs", key] }]);
	const {
		name: _name,
		env: _env,
		params: _params,
		defaults: _defaults,
		source: _source,
		priority: _priority,
		concurrency: _group,
		fail_fast: _fast,
		on: _on,
		notify: _notify,
		...job
	} = pipeline;
	return [["main", { job, path: [] }]];
}

/** The templates of the pipeline itself, and of its defaults. */
export function* headTemplates(pipeline: Pipeline): Generator<TemplateAt> {
	yield* mapTemplates(pipeline.env, ["env"], "early");
	if (pipeline.concurrency) yield { path: ["concurrency", "group"], text: pipeline.concurrency.group, moment: "early" };
	yield* defaultTemplates(pipeline);
}

/** The templates of `defaults`. */
function* defaultTemplates(pipeline: Pipeline): Generator<TemplateAt> {
	const { container, runs_on, cache } = pipeline.defaults ?? {};
	yield* requirementTemplates(runs_on, ["defaults", "runs_on"]);
	yield* containerTemplates(container, ["defaults", "container"]);
	yield* cacheTemplates(cache, ["defaults", "cache"]);
}

/** Every expression of a pipeline, conditions as well. */
export function* allExpressions(pipeline: Pipeline): Generator<string> {
	for (const { text } of headTemplates(pipeline)) yield* expressionsOf(text);
	for (const [, { job, path }] of jobEntries(pipeline)) {
		if (job.if !== undefined) yield job.if;
		for (const { text } of matrixTemplates(job, path)) yield* expressionsOf(text);
		for (const { text } of jobTemplates(job, path)) yield* expressionsOf(text);
		yield* expressionsOfSteps(job);
	}
}

/** The expressions of the steps of a job. */
function* expressionsOfSteps(job: JobText): Generator<string> {
	for (const placed of allSteps(job, [])) {
		if (placed.step.if !== undefined) yield placed.step.if;
		for (const { text } of stepTemplates(placed)) yield* expressionsOf(text);
	}
}

/**
 * The expressions of a pipeline; and the evaluations, where those of a job count once for each
 * matrix job.
 */
export const MAX_EXPRESSIONS = 3_000;
export const MAX_EVALUATIONS = 10_000;

/** A long expression counts as several of this length: it takes as much time. */
const CHARACTERS_OF_ONE = 100;

/** Counts expressions, long ones as several. */
export function countExpressions(expressions: Iterable<string>): number {
	let count = 0;
	for (const { length } of expressions) count += Math.max(1, Math.ceil(length / CHARACTERS_OF_ONE));
	return count;
}

/** The expressions that are evaluated for each matrix job, including those of `defaults`. */
export function* expressionsOfMatrixJob(pipeline: Pipeline, job: JobText, path: string[]): Generator<string> {
	if (job.if !== undefined) yield job.if;
	for (const { text } of defaultTemplates(pipeline)) yield* expressionsOf(text);
	for (const { text } of jobTemplates(job, path)) yield* expressionsOf(text);
	yield* expressionsOfSteps(job);
}

/** The values of a matrix, which are filled in before the matrix is expanded. */
export function* matrixTemplates({ matrix }: JobText, path: string[]): Generator<TemplateAt> {
	if (typeof matrix === "string") {
		yield { path: [...path, "matrix"], text: matrix, moment: "late" };
		return;
	}
	const late = matrix ? axesFromOutputs(matrix) : null;
	for (const [key, value] of Object.entries(matrix ?? {})) {
		if (!Array.isArray(value)) continue;
		for (const [index, one] of (value as (string | Record<string, string>)[]).entries()) {
			const at = [...path, "matrix", key, String(index)];
			if (typeof one === "string") yield { path: at, text: one, moment: late?.includes(key) ? "late" : "early" };
			else for (const [name, text] of Object.entries(one)) yield { path: [...at, ...name.split(".")], text, moment: "early" };
		}
	}
}

/** The templates of a job, which are filled in for each matrix job. */
export function* jobTemplates(job: JobText, path: string[]): Generator<TemplateAt> {
	if (job.name !== undefined) yield { path: [...path, "name"], text: job.name, moment: "early" };
	if (job.concurrency) yield { path: [...path, "concurrency", "group"], text: job.concurrency.group, moment: "early" };
	yield* requirementTemplates(job.runs_on, [...path, "runs_on"]);
	yield* mapTemplates(job.env, [...path, "env"], "late");
	yield* containerTemplates(job.container, [...path, "container"]);
	for (const [name, service] of Object.entries(job.services ?? {})) {
		const at = [...path, "services", name];
		yield { path: [...at, "image"], text: service.image, moment: "late" };
		yield* mapTemplates(service.env, [...at, "env"], "late");
		yield* listTemplates(service.command, [...at, "command"], "late");
	}
	yield* cacheTemplates(job.cache, [...path, "cache"]);
	for (const [index, one] of (job.artifacts?.fetch ?? []).entries())
		yield* mapTemplates(one.matrix, [...path, "artifacts", "fetch", String(index), "matrix"], "early");
}

/** All steps of a job in the order in which they run, `finally` included. */
export function allSteps(job: JobText, path: readonly string[]): PlacedStep[] {
	return [...placedSteps(job.steps, [...path, "steps"]), ...placedSteps(job.finally?.steps ?? [], [...path, "finally", "steps"])];
}

/** The templates of a step. */
export function* stepTemplates({ step, path }: Omit<PlacedStep, "group">): Generator<TemplateAt> {
	if (step.name !== undefined) yield { path: [...path, "name"], text: step.name, moment: "early" };
	yield* mapTemplates(step.env, [...path, "env"], "step");
	yield* listTemplates(step.build?.tags, [...path, "build", "tags"], "step");
	yield* listTemplates(step.build?.cache, [...path, "build", "cache"], "step");
	yield* mapTemplates(step.build?.args, [...path, "build", "args"], "step");
}

function* containerTemplates(container: JobText["container"], path: string[]): Generator<TemplateAt> {
	if (!container) return;
	yield { path: [...path, "image"], text: container.image, moment: "late" };
	yield* mapTemplates(container.env, [...path, "env"], "late");
	yield* mapTemplates(container.tools, [...path, "tools"], "early");
}

function* cacheTemplates(caches: JobText["cache"], path: string[]): Generator<TemplateAt> {
	for (const [index, { key, restore_keys }] of (caches ?? []).entries()) {
		const at = [...path, String(index)];
		yield { path: [...at, "key"], text: key, moment: "cache" };
		yield* listTemplates(restore_keys, [...at, "restore_keys"], "cache");
	}
}

function* requirementTemplates(wanted: JobText["runs_on"], path: string[]): Generator<TemplateAt> {
	yield* listTemplates(wanted?.labels, path, "early");
	for (const [key, value] of Object.entries(wanted ?? {}))
		if (isTemplate(value)) yield { path: [...path, key], text: value, moment: "early" };
	yield* mapTemplates(wanted?.tools, [...path, "tools"], "early");
}

function* mapTemplates(map: Readonly<Record<string, string>> | undefined, path: string[], moment: Moment): Generator<TemplateAt> {
	for (const [name, text] of Object.entries(map ?? {})) yield { path: [...path, name], text, moment };
}

function* listTemplates(list: readonly string[] | undefined, path: string[], moment: Moment): Generator<TemplateAt> {
	for (const [index, text] of (list ?? []).entries()) yield { path: [...path, String(index)], text, moment };
}
