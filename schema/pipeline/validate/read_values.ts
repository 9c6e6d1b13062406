import type * as z from "zod";
import { MAX_STEPS } from "../../wire/limits.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import {
	type JobText,
	job,
	type PipelineOfJobs,
	type PipelineOfSteps,
	pipelineOfJobs,
	pipelineOfSteps,
	type StepText,
	step,
} from "./language.ts";
import { MAX_PARAMETERS, parameters } from "./parameters.ts";
import { environmentTemplate } from "./values.ts";

/** Checks the values of a pipeline, part by part: a schema checks all that it is given without a pause. */

/** The keys, values and items of one part: of what stands beside the jobs, of a job beside its steps, of a step. Variables are counted by themselves. */
const MAX_PART_NODES = 5_000;
/** The variables of one `env`. */
const MAX_VARIABLES = 5_000;
/** After so many faults the rest is not looked at. */
export const MAX_FOUND_FAULTS = 1_000;

/** A fault of a value: what a schema says, or what a part is. */
export type ValueIssue = z.core.$ZodIssue;

/** What is there of a pipeline: all of it, or the parts without faults. */
export interface ReadPipeline {
	pipeline: PipelineOfJobs | PipelineOfSteps | null;
	issues: ValueIssue[];
	/** Its jobs without faults, and what stands beside them if that has none. */
	sound: { head: Omit<PipelineOfJobs, "jobs"> | null; jobs: ReadonlyMap<string, JobText> };
}

/** Checks the values of a pipeline that has `jobs` or `steps`. */
export function* readPipeline(value: Readonly<Record<string, unknown>>): SlicedWork<ReadPipeline> {
	if (!("jobs" in value)) {
		const { data, issues } = yield* readJob(pipelineOfSteps, value);
		return { pipeline: data as PipelineOfSteps | null, issues, sound: { head: null, jobs: new Map() } };
	}
	const jobs = isMap(value.jobs) ? value.jobs : null;
	const head = yield* readSplit(pipelineOfJobs, jobs ? { ...value, jobs: {} } : value, [PARAMETERS, VARIABLES]);
	const issues = [...head.issues];
	const sound = new Map<string, JobText>();
	for (const [key, one] of Object.entries(jobs ?? {})) {
		if (issues.length >= MAX_FOUND_FAULTS) break;
		const read = yield* readJob(job, one);
		if (read.data) sound.set(key, read.data as JobText);
		issues.push(...within(["jobs", key], read.issues));
	}
	const data = head.data as PipelineOfJobs | null;
	const pipeline = data && issues.length === 0 ? { ...data, jobs: Object.fromEntries(sound) } : null;
	return { pipeline, issues, sound: { head: data, jobs: sound } };
}

interface ReadPart {
	data: unknown;
	issues: ValueIssue[];
}

function* readJob(schema: z.ZodType, value: unknown): SlicedWork<ReadPart> {
	if (!isMap(value) || !Array.isArray(value.steps) || value.steps.length === 0) return yield* readPart(schema, value);
	const { steps } = value;
	// What a step is made of is checked below; here it counts that there are some, and not too many.
	const splits = schema === pipelineOfSteps ? [PARAMETERS, VARIABLES] : [VARIABLES];
	const whole = yield* readSplit(schema, { ...value, steps: steps.slice(0, MAX_STEPS + 1).map(() => "true") }, splits);
	const issues = [...whole.issues];
	const read: StepText[] = [];
	for (const [index, one] of steps.slice(0, MAX_STEPS).entries()) {
		const part = yield* readPart(step, one);
		issues.push(...within(["steps", index], part.issues));
		read.push(part.data as StepText);
		if (issues.length >= MAX_FOUND_FAULTS) break;
	}
	return { data: issues.length === 0 ? { ...(whole.data as object), steps: read } : null, issues };
}

/** Maps that are checked some entries at a time. */
interface Split {
	key: string;
	schema: z.ZodType<Record<string, unknown>>;
	/** How many entries there may be, and how many are checked at once. */
	most: number;
	chunk: number;
	/** What one takes. */
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
	if (entries.length > most) return { data: null, issues: [tooMany([key], `at most ${most} ${what}`)] };
	const whole = yield* readSplit(schema, { ...value, [key]: {} }, others);
	const issues = [...whole.issues];
	const read: Record<string, unknown>[] = [];
	for (let from = 0; from < entries.length && issues.length < MAX_FOUND_FAULTS; from += chunk) {
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

const TOO_MANY_IN_PART = `at most ${MAX_PART_NODES} keys, values and items in one part`;

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
	return issues.slice(0, MAX_FOUND_FAULTS).map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

/** The keys, values and items of a value, as far as there are not more than `most`. */
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
