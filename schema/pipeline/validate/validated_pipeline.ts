import type { FieldError } from "../../wire/errors.ts";
import { MAX_JOBS } from "../../wire/limits.ts";
import type { SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, errorAt, MAX_FOUND_ERRORS, UNITS_OF_ERROR, validationFailed } from "./errors.ts";
import { foreignForm } from "./foreign_suggestions.ts";
import { checkNeeds } from "./graph.ts";
import { JOB_KEY, PIPELINE_KEYS, type PipelineOfJobs, type PipelineOfSteps, pipelineOfJobs } from "./language.ts";
import { ALL_JOBS, withOrder } from "./order.ts";
import { isMap, type ReadPipeline, readPipeline } from "./read_values.ts";
import { unknownKey, valueErrors } from "./value_errors.ts";
import { kindOf } from "./values.ts";
import { checkWhole } from "./whole_pipeline.ts";

/**
 * Validates a pipeline: its values, its jobs and their needs, then the whole.
 * @param at the path of the pipeline in the document
 * @throws ApiError `validation_failed` with all errors of the pipeline
 */
export function* validatePipeline(document: SourceDocument, value: unknown, at: string[]): SlicedWork<PipelineOfJobs | PipelineOfSteps> {
	if (!isMap(value)) throw validationFailed([errorAt(document, at, `Expected a pipeline, got ${kindOf(value)}.`, foreignForm([], value))]);
	if ("jobs" in value && "steps" in value) {
		const message = "A pipeline has either `steps` or `jobs` at the top, not both.";
		throw validationFailed([errorAt(document, [...at, "steps"], message, "Move the steps into a job.", { atKey: true })]);
	}
	if (!("jobs" in value) && !("steps" in value)) throw validationFailed(yield* errorsWithoutJobs(document, value, at));
	const read = yield* readPipeline(value);
	const errors = yield* valueErrors(document, read.issues, at);
	if ("jobs" in value && isMap(value.jobs)) errors.push(...(yield* jobErrors(document, value.jobs, at)));
	const part = read.pipeline && errors.length === 0 ? read.pipeline : validPart(value, read, errors, at);
	const { pipeline, errors: inOrder } = part && "jobs" in part ? yield* withOrder(part) : { pipeline: part, errors: [] };
	for (const { path, message, suggestion } of inOrder) errors.push(errorAt(document, [...at, ...path], message, suggestion));
	for (const { path, at: character, message, suggestion } of pipeline ? yield* checkWhole(pipeline) : []) {
		errors.push(errorAt(document, [...at, ...path], message, suggestion, { character }));
		yield UNITS_OF_ERROR;
	}
	if (errors.length > 0 || !pipeline) throw validationFailed(errors);
	return pipeline;
}

/**
 * The errors of a map without jobs and steps: its unknown keys show what its author took for a
 * pipeline.
 */
function* errorsWithoutJobs(document: SourceDocument, value: Record<string, unknown>, at: string[]): SlicedWork<FieldError[]> {
	const errors: FieldError[] = [];
	for (const key of Object.keys(value).slice(0, MAX_FOUND_ERRORS)) {
		const error = unknownKey(document, at, key, PIPELINE_KEYS, { at, whole: "the pipeline" });
		yield UNITS_OF_ERROR;
		if (error) errors.push(error);
	}
	return [...errors, errorAt(document, at, "A pipeline needs `steps` or `jobs`.", "Begin with: steps: [make test]")];
}

/**
 * A pipeline without the jobs that have errors, and without the jobs that refer to them: the rest
 * can be checked as a whole. Null if the errors are not in the jobs.
 */
function validPart(
	pipeline: Record<string, unknown>,
	{ valid }: ReadPipeline,
	errors: readonly FieldError[],
	at: string[],
): PipelineOfJobs | null {
	const places = errors.map(({ path }) => path.split(".").slice(at.length));
	const isOfJob = ([first, key]: string[]) => first === "jobs" && key !== undefined;
	const isKnown = (key: string) => Object.hasOwn(pipelineOfJobs.shape, key);
	if (!isMap(pipeline.jobs) || places.some((place) => !isOfJob(place) && isKnown(place[0] ?? ""))) return null;
	const references = Map.groupBy(
		Object.entries(pipeline.jobs).flatMap(([key, job]) => jobsNamed(job).map((name) => ({ key, name }))),
		({ name }) => name,
	);
	const invalid = new Set(places.filter(isOfJob).map(([, key = ""]) => key));
	for (const key of Object.keys(pipeline.jobs)) if (!valid.jobs.has(key)) invalid.add(key);
	for (const one of invalid) for (const { key } of references.get(one) ?? []) invalid.add(key);
	const jobs = [...valid.jobs].filter(([key]) => JOB_KEY.test(key) && !invalid.has(key));
	// Unknown keys beside the jobs do not hide the errors of the jobs.
	const head = valid.head ?? headOf(pipeline);
	return head && { ...head, jobs: Object.fromEntries(jobs) };
}

/** The keys beside the jobs, without unknown ones. */
function headOf(pipeline: Record<string, unknown>): Omit<PipelineOfJobs, "jobs"> | null {
	const known = Object.entries(pipeline).filter(([key]) => Object.hasOwn(pipelineOfJobs.shape, key) && key !== "jobs");
	return pipelineOfJobs.safeParse({ ...Object.fromEntries(known), jobs: {} }).data ?? null;
}

function* jobErrors(document: SourceDocument, jobs: Record<string, unknown>, at: string[]): SlicedWork<FieldError[]> {
	const keys = Object.keys(jobs);
	const errors: FieldError[] = [];
	const jobsError = (message: string) => errorAt(document, [...at, "jobs"], message, null, { atKey: true });
	if (keys.length === 0) errors.push(jobsError("`jobs` must have at least one job."));
	if (keys.length > MAX_JOBS) return [jobsError(`A pipeline has at most ${MAX_JOBS} jobs; this one has ${keys.length}.`)];
	for (const key of keys) {
		if (JOB_KEY.test(key)) continue;
		const suggestion = "Use at most 63 letters, digits, dashes and underscores; do not begin with a digit.";
		errors.push(errorAt(document, [...at, "jobs", key], `${code(key)} is not a job id.`, suggestion, { atKey: true }));
	}
	const needs = new Map(keys.map((key) => [key, needsOf(jobs[key])]));
	for (const { path, message, suggestion } of yield* checkNeeds(needs))
		errors.push(errorAt(document, [...at, ...path], message, suggestion));
	return errors;
}

function needsOf(job: unknown): string[] {
	return isMap(job) ? namesIn(job.needs).filter((name) => name !== ALL_JOBS) : [];
}

/** The jobs that a job needs or fetches from, as far as its text can be read. */
function jobsNamed(job: unknown): string[] {
	return isMap(job) && isMap(job.artifacts) ? [...needsOf(job), ...namesIn(job.artifacts.fetch)] : needsOf(job);
}

function namesIn(references: unknown): string[] {
	const list = Array.isArray(references) ? references : [references];
	return list.map((one) => (isMap(one) ? one.job : one)).filter((name) => typeof name === "string");
}
