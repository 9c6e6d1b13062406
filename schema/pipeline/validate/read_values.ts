import type * as z from "zod";
import { MAX_STEPS } from "../../wire/limits.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { MAX_FOUND_ERRORS } from "./errors.ts";
import { type JobText, job, type PipelineOfJobs, type PipelineOfSteps, pipelineOfJobs, pipelineOfSteps } from "./language.ts";
import { MAX_PARAMETERS, parameters } from "./parameters.ts";
import { type StepText, step } from "./steps.ts";
import { environmentTemplate } from "./values.ts";

/**
 * Checks the values of a pipeline, part by part: a schema checks its whole value without a pause.
 */

/**
 * The keys, values and items of one part: a step, a job without its steps, a pipeline without its
 * jobs. Variables count separately.
 */
const MAX_PART_NODES = 5_000;
/** The variables of one `env`. */
const MAX_VARIABLES = 5_000;
/** An error in a value: from a schema, or about the size of a part. */
export type ValueIssue = z.core.$ZodIssue;

/** The values of a pipeline: all of them, or the parts without errors. */
export interface ReadPipeline {
	pipeline: PipelineOfJobs | PipelineOfSteps | null;
	issues: ValueIssue[];
	/** Its jobs without errors, and the keys beside the jobs if they have none. */
	valid: { head: Omit<PipelineOfJobs, "jobs"> | null; jobs: ReadonlyMap<string, JobText> };
}

/** Checks the values of a pipeline that has `jobs` or `steps`. */
export function* readPipeline(value: Readonly<Record<string, unknown>>): SlicedWork<ReadPipeline> {
	if (!("jobs" in value)) {
		const { data, issues } = yield* readJob(pipelineOfSteps, value);
		return { pipeline: data as PipelineOfSteps | null, issues, valid: { head: null, jobs: new Map() } };
	}
	const jobs = isMap(value.jobs) ? value.jobs : null;
	const head = yield* readSplit(pipelineOfJobs, jobs ? { ...value, jobs: {} } : value, [PARAMETERS, VARIABLES]);
	const issues = [...head.issues];
	const valid = new Map<string, JobText>();
	for (const [key, one] of Object.entries(jobs ?? {})) {
		if (issues.length >= MAX_FOUND_ERRORS) break;
		const read = yield* readJob(job, one);
		if (read.data) valid.set(key, read.data as JobText);
		issues.push(...within(["jobs", key], read.issues));
	}
	const data = head.data as PipelineOfJobs | null;
	const pipeline = data && issues.length === 0 ? { ...data, jobs: Object.fromEntries(valid) } : null;
	return { pipeline, issues, valid: { head: data, jobs: valid } };
}

interface ReadPart {
	data: unknown;
	issues: ValueIssue[];
}

function* readJob(schema: z.ZodType, value: unknown): SlicedWork<ReadPart> {
	if (!isMap(value) || !Array.isArray(value.steps) || value.steps.length === 0) return yield* readPart(schema, value);
	const { steps } = value;
	// The steps are checked below; here only their number counts.
	const splits = schema === pipelineOfSteps ? [PARAMETERS, VARIABLES] : [VARIABLES];
	const whole = yield* readSplit(schema, { ...value, steps: steps.slice(0, MAX_STEPS + 1).map(() => "true") }, splits);
	const issues = [...whole.issues];
	const read: StepText[] = [];
	for (const [index, one] of steps.slice(0, MAX_STEPS).entries()) {
		const part = yield* readPart(step, one);
		issues.push(...within(["steps", index], part.issues));
		read.push(part.data as StepText);
		if (issues.length >= MAX_FOUND_ERRORS) break;
	}
	return { data: issues.length === 0 ? { ...(whole.data as object), steps: read } : null, issues };
}

/** Maps that are checked some entries at a time. */
interface Split {
	key: string;
	schema: z.ZodType<Record<string, unknown>>;
	/** The maximum of entries, and how many are checked at once. */
	most: number;
	chunk: number;
	/** The work for one. */
	units: number;
	what: string;
}

const VARIABLES: Split = { key: "env", schema: environmentTemplate, most: MAX_VARIABLES, chunk: 500, units: 8, what: "variables" };
/** Each may have a pattern that is compiled and compared with a value. */
const PARAMETERS: Split = { key: "params", schema: parameters, most: MAX_PARAMETERS, chunk: 1, units: 2_000, what: "parameters" };

/** Checks a part whose variables are checked by themselves. */
export function readPart(schema: z.ZodType, value: unknown): SlicedWork<ReadPart> {
	return readSplit(schema, value, [VARIABLES]);
}

function* readSplit(schema: z.ZodType, value: unknown, [split, ...others]: readonly Split[]): SlicedWork<ReadPart> {
	if (!isMap(value) || !split) return yield* readWhole(schema, value);
	const { key, most, chunk, units, what } = split;
	const map = value[key];
	if (!isMap(map)) return yield* readSplit(schema, value, others);
	const entries = Object.entries(map);
	if (entries.length > most) return { data: null, issues: [tooMany([key], `\`${key}\` has at most ${most} ${what}.`)] };
	const whole = yield* readSplit(schema, { ...value, [key]: {} }, others);
	const issues = [...whole.issues];
	const read: Record<string, unknown>[] = [];
	for (let from = 0; from < entries.length && issues.length < MAX_FOUND_ERRORS; from += chunk) {
		const some = Object.fromEntries(entries.slice(from, from + chunk));
		const nodes = countNodes(some, MAX_PART_NODES);
		yield 10 + Math.min(chunk, entries.length - from) * units;
		if (nodes > MAX_PART_NODES) return { data: null, issues: [tooMany([key], TOO_MANY_IN_PART)] };
		const parsed = split.schema.safeParse(some);
		if (parsed.success) read.push(parsed.data);
		else issues.push(...within([key], parsed.error.issues));
	}
	return { data: issues.length === 0 ? { ...(whole.data as object), [key]: Object.assign({}, ...read) } : null, issues };
}

const TOO_MANY_IN_PART = `One part of a pipeline has at most ${MAX_PART_NODES} keys, values and items.`;

function* readWhole(schema: z.ZodType, value: unknown): SlicedWork<ReadPart> {
	const nodes = countNodes(value, MAX_PART_NODES);
	if (nodes > MAX_PART_NODES) return { data: null, issues: [tooMany([], TOO_MANY_IN_PART)] };
	yield 5 + nodes * 4;
	const parsed = schema.safeParse(value);
	return parsed.success ? { data: parsed.data, issues: [] } : { data: null, issues: parsed.error.issues };
}

function tooMany(path: PropertyKey[], message: string): ValueIssue {
	return { code: "custom", path, message, input: undefined };
}

function within(path: PropertyKey[], issues: readonly ValueIssue[]): ValueIssue[] {
	return issues.slice(0, MAX_FOUND_ERRORS).map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

/** Counts the keys, values and items of a value until there are more than `most`. */
function countNodes(value: unknown, most: number): number {
	let count = 0;
	const waiting: unknown[] = [value];
	while (waiting.length > 0 && count <= most) {
		const one = waiting.pop();
		if (typeof one !== "object" || one === null || one instanceof AmbiguousScalar) continue;
		const inner = Array.isArray(one) ? one : Object.values(one);
		count += inner.length * (Array.isArray(one) ? 1 : 2);
		if (count <= most) for (const next of inner) waiting.push(next);
	}
	return count;
}

export function isMap(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof AmbiguousScalar);
}
