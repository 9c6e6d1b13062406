import * as z from "zod";
import { ApiError, type FieldError } from "../wire/errors.ts";
import { MAX_JOBS, MAX_RESOLVED_BYTES, MAX_TOLD_FAULTS } from "../wire/limits.ts";
import { AmbiguousScalar, COLON_HINT, parseSource, type SourceDocument } from "./document.ts";
import { checkNeeds } from "./graph.ts";
import {
	environment,
	JOB_KEY,
	KNOWN_KEYS,
	kindOf,
	PIPELINE_KEYS,
	type PipelineOfJobs,
	type PipelineOfSteps,
	pipelineOfJobs,
	pipelineOfSteps,
	priority,
	runsOn,
	source,
} from "./language.ts";
import { type ResolvedPipeline, resolvePipeline } from "./resolve.ts";
import { nearest } from "./suggest.ts";

/** A submission, parsed: the resolved pipeline and the project that it belongs to. */
export interface Submission {
	pipeline: ResolvedPipeline;
	project: string;
}

const MAX_TOLD_HINTS = 20;

/** Keys of the language that are known but come later: refused by name, so that none is taken in vain. */
const NOT_YET = ["container", "params", "matrix", "services", "if", "concurrency", "secrets", "on", "reports"];

const submission = z.strictObject(
	{
		pipeline: z.unknown().optional(),
		run: z.unknown().optional(),
		env: environment.optional(),
		source: source.optional(),
		runs_on: runsOn.optional(),
		priority: priority.optional(),
		project: z
			.string()
			.regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is lower-case letters, digits, dot, dash or underscore, at most 63")
			.optional(),
	},
	{
		error: (issue) =>
			issue.code === "unrecognized_keys" ? `${KNOWN_KEYS}pipeline, run, env, source, runs_on, priority, project` : undefined,
	},
);

/**
 * Parses what was posted: a submission (`{"run": "make test"}`, `{"pipeline": …}`) or a bare pipeline, as JSON or YAML.
 * @throws ApiError `malformed` for a text that does not parse, `validation_failed` with all faults at once.
 */
export function parseSubmission(text: string): Submission {
	const document = parseSource(text);
	const { value } = document;
	if (!isMap(value)) {
		throw invalid([
			fault(document, [], `expected a pipeline or a submission, got ${kindOf(value)}`, 'post {"run": "make test"} or a YAML pipeline'),
		]);
	}
	if (!("pipeline" in value) && !("run" in value)) {
		return finishSubmission(checkPipeline(document, value, []), {}, "adhoc");
	}
	return submissionOf(document, value);
}

/**
 * The same of a form: each part has the name of a key. What is text by nature is taken as it is, every other part is read as YAML.
 * @throws ApiError as `parseSubmission` does, naming the part
 */
export function parseSubmissionForm(parts: ReadonlyMap<string, string>): Submission {
	const value = Object.fromEntries([...parts].map(([name, text]) => [name, TEXT_PARTS.has(name) ? text : partValue(name, text)]));
	const form: SourceDocument = { value, locate: () => null };
	if (!("pipeline" in value) && !("run" in value))
		throw invalid([fault(form, [], "a submission needs the part pipeline or run", "-F pipeline=@ci.yml, or -F run='make test'")]);
	return submissionOf(form, value);
}

const TEXT_PARTS: ReadonlySet<string> = new Set(["pipeline", "run", "project"]);

function partValue(name: string, text: string): unknown {
	try {
		return parseSource(text).value;
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		throw new ApiError(error.code, `The part ${name}: ${error.message}`, error);
	}
}

function submissionOf(document: SourceDocument, value: Record<string, unknown>): Submission {
	const errors: FieldError[] = [];
	const parsed = submission.safeParse(value);
	if (!parsed.success) errors.push(...faultsOf(document, parsed.error, []));
	if ("pipeline" in value && "run" in value) {
		errors.push(fault(document, ["run"], "pipeline and run exclude each other", "keep one of them", true));
	}
	const checked = "pipeline" in value ? checkSubmittedPipeline(document, value.pipeline, errors) : shorthand(document, value.run, errors);
	if (errors.length > 0 || !parsed.success || !checked) throw invalid(errors);
	const { project, env, source, runs_on, priority } = parsed.data;
	return finishSubmission(checked, { env, source, runs_on, priority }, project ?? "adhoc");
}

function finishSubmission(
	checked: PipelineOfJobs | PipelineOfSteps,
	overrides: Partial<Pick<z.infer<typeof submission>, "env" | "source" | "runs_on" | "priority">>,
	project: string,
): Submission {
	const pipeline = resolvePipeline(checked, {
		env: overrides.env ?? {},
		source: overrides.source,
		runs_on: overrides.runs_on,
		priority: overrides.priority,
	});
	const bytes = new TextEncoder().encode(JSON.stringify(pipeline)).byteLength;
	if (bytes > MAX_RESOLVED_BYTES) {
		throw new ApiError("validation_failed", `The pipeline is ${bytes} bytes after parsing; the limit is ${MAX_RESOLVED_BYTES}.`, {
			details: { errors: [], bytes, limit: MAX_RESOLVED_BYTES },
			suggestions: ["Move long scripts into the repository and call them."],
		});
	}
	return { pipeline, project };
}

/** A pipeline inside a submission: an object, or text in YAML. */
function checkSubmittedPipeline(document: SourceDocument, value: unknown, errors: FieldError[]) {
	try {
		if (typeof value === "string") {
			const inner = parseSource(value);
			return checkPipeline(inner, inner.value, []);
		}
		return checkPipeline(document, value, ["pipeline"]);
	} catch (error) {
		if (!(error instanceof ApiError) || !Array.isArray(error.details.errors) || error.code !== "validation_failed") throw error;
		errors.push(...(error.details.errors as FieldError[]));
		return null;
	}
}

function shorthand(document: SourceDocument, run: unknown, errors: FieldError[]): PipelineOfSteps | null {
	const parsed = pipelineOfSteps.safeParse({ steps: [run] });
	if (parsed.success && typeof run === "string") return { ...parsed.data, name: firstWords(run) };
	errors.push(fault(document, ["run"], `expected the text of a command, got ${kindOf(run)}`, 'for example {"run": "make test"}'));
	return null;
}

function firstWords(command: string): string {
	const line = command.trim().split("\n", 1)[0] ?? "";
	return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** @throws ApiError `validation_failed` with every fault of the pipeline. */
function checkPipeline(document: SourceDocument, value: unknown, at: string[]): PipelineOfJobs | PipelineOfSteps {
	if (!isMap(value)) throw invalid([fault(document, at, `expected a pipeline, got ${kindOf(value)}`, null)]);
	if ("jobs" in value && "steps" in value) {
		throw invalid([fault(document, [...at, "steps"], "steps and jobs exclude each other at the top", "move the steps into a job", true)]);
	}
	if (!("jobs" in value) && !("steps" in value)) {
		const keys = Object.keys(value)
			.map((key) => unknownKey(document, at, key, PIPELINE_KEYS))
			.filter((found) => found !== null);
		throw invalid([...keys, fault(document, at, "a pipeline needs steps or jobs", "start with: steps: [make test]")]);
	}
	const parsed = "jobs" in value ? pipelineOfJobs.safeParse(value) : pipelineOfSteps.safeParse(value);
	const errors = parsed.success ? [] : faultsOf(document, parsed.error, at);
	if ("jobs" in value && isMap(value.jobs)) errors.push(...checkJobs(document, value.jobs, at));
	if (errors.length > 0 || !parsed.success) throw invalid(errors);
	return parsed.data;
}

function checkJobs(document: SourceDocument, jobs: Record<string, unknown>, at: string[]): FieldError[] {
	const keys = Object.keys(jobs);
	const errors: FieldError[] = [];
	if (keys.length === 0) errors.push(fault(document, [...at, "jobs"], "at least one job is needed", null, true));
	if (keys.length > MAX_JOBS) return [fault(document, [...at, "jobs"], `at most ${MAX_JOBS} jobs; these are ${keys.length}`, null, true)];
	for (const key of keys) {
		if (!JOB_KEY.test(key)) {
			errors.push(
				fault(
					document,
					[...at, "jobs", key],
					`${JSON.stringify(key)} is not a job id`,
					"letters, digits, dash and underscore, at most 63, not beginning with a digit",
					true,
				),
			);
		}
	}
	const needs = new Map(keys.map((key) => [key, needsOf(jobs[key])]));
	for (const { path, message, suggestion } of checkNeeds(needs)) errors.push(fault(document, [...at, ...path], message, suggestion));
	return errors;
}

function needsOf(job: unknown): string[] {
	const needs = isMap(job) ? job.needs : undefined;
	if (typeof needs === "string") return [needs];
	return Array.isArray(needs) ? needs.filter((name) => typeof name === "string") : [];
}

function faultsOf(document: SourceDocument, error: z.ZodError, at: string[]): FieldError[] {
	return error.issues.flatMap((issue): FieldError[] => {
		const path = [...at, ...issue.path];
		if (issue.code === "unrecognized_keys") {
			const known = issue.message.replace(KNOWN_KEYS, "").split(", ");
			return issue.keys.map((key) => unknownKey(document, path, key, known) as FieldError);
		}
		if (issue.code === "invalid_value") {
			const written = valueAt(document.value, path);
			const near = typeof written === "string" ? nearest(written, issue.values.map(String)) : null;
			const known = `one of: ${issue.values.join(", ")}`;
			return [fault(document, path, `${kindOf(written)} is not known`, near ? `did you mean ${JSON.stringify(near)}?` : known)];
		}
		if (issue.code === "invalid_key") return issue.issues.map((inner) => fault(document, path, inner.message, null, true));
		const message = issue.code === "invalid_type" ? wrongType(issue.expected, valueAt(document.value, path)) : issue.message;
		return [fault(document, path, message, null)];
	});
}

function wrongType(expected: string, value: unknown): string {
	if (value === undefined) return "is required";
	const names: Record<string, string> = { object: "a map", record: "a map", array: "a list", string: "text", int: "a whole number" };
	return `expected ${names[expected] ?? `a ${expected}`}, got ${kindOf(value)}`;
}

/** The fault of a key that is not known here; null if it is. */
function unknownKey(document: SourceDocument, path: PropertyKey[], key: string, known: string[]): FieldError | null {
	if (known.includes(key)) return null;
	const isLater = NOT_YET.includes(key);
	const near = nearest(key, known);
	const hint = /\s/.test(key) ? COLON_HINT : `known keys: ${known.join(", ")}`;
	return fault(
		document,
		[...path, key],
		isLater ? `${JSON.stringify(key)} is not supported by this version` : `unknown key ${JSON.stringify(key)}`,
		near ? `did you mean ${JSON.stringify(near)}?` : hint,
		true,
	);
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
	let current = value;
	for (const part of path) {
		if (current === null || typeof current !== "object") return undefined;
		current = (current as Record<PropertyKey, unknown>)[part];
	}
	return current;
}

function fault(document: SourceDocument, path: PropertyKey[], message: string, suggestion: string | null, atKey = false): FieldError {
	const place = document.locate(path, atKey);
	return { path: path.map(String).join("."), line: place?.line ?? null, column: place?.column ?? null, message, suggestion };
}

function invalid(errors: FieldError[]): ApiError {
	const sorted = [...errors].sort(
		(a, b) =>
			(a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) || Number(a.suggestion === null) - Number(b.suggestion === null),
	);
	const first = sorted[0];
	const place = first?.line ? `line ${first.line}, column ${first.column}: ` : "";
	const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : "";
	const message = first ? `${place}${first.path ? `${first.path}: ` : ""}${first.message}${more}` : "The submission is not valid.";
	return new ApiError("validation_failed", message, {
		details: { errors: sorted.slice(0, MAX_TOLD_FAULTS), ...(sorted.length > MAX_TOLD_FAULTS ? { total: sorted.length } : {}) },
		suggestions: [...new Set(sorted.map((error) => error.suggestion).filter((hint) => hint !== null))].slice(0, MAX_TOLD_HINTS),
	});
}

function isMap(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof AmbiguousScalar);
}
