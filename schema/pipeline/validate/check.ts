import { checkExpression, type ExpressionError, type Names } from "../expressions/expression.ts";
import { checkTemplate, expressionsOf } from "../expressions/template.ts";
import { axesOf, meansOne } from "../resolve/matrix.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { ancestorsOf } from "./graph.ts";
import type { JobText } from "./language.ts";
import type { ParametersText } from "./parameters.ts";
import {
	allExpressions,
	countExpressions,
	headTemplates,
	jobEntries,
	jobTemplates,
	MAX_EXPRESSIONS,
	matrixTemplates,
	type Pipeline,
	type TemplateAt,
} from "./places.ts";
import { MAX_FOUND_FAULTS } from "./read_values.ts";
import { nearest } from "./suggest.ts";

/** Checking an expression takes about this long. */
const UNITS_OF_EXPRESSION = 150;

/** What can be wrong with a pipeline whose every value is right by itself: its expressions, and what jobs say of each other. */

export interface CheckError {
	path: string[];
	/** At which character of the value; null: at its beginning. */
	at: number | null;
	message: string;
	suggestion: string | null;
}

/** Every fault of a pipeline that shows only when it is seen as a whole. Needs are known to exist. */
export function* checkWhole(pipeline: Pipeline): SlicedWork<CheckError[]> {
	const count = countExpressions(allExpressions(pipeline));
	yield 500 + count / 10;
	if (count > MAX_EXPRESSIONS) {
		const message = `a pipeline has at most ${MAX_EXPRESSIONS} expressions; these are ${count}`;
		return [{ path: [], at: null, message, suggestion: "put what is the same everywhere into env, once" }];
	}
	const params = typesOf(pipeline.params ?? {});
	const jobs = new Map(jobEntries(pipeline));
	const faults: CheckError[] = [];
	const needs = new Map([...jobs].map(([key, { job }]) => [key, (job.needs ?? []).map((need) => need.job)]));
	const edges = [...needs.values()].reduce((sum, { length }) => sum + length, 0);
	const head: Names = { params, matrix: [], needs: {} };
	for (const one of headTemplates(pipeline)) faults.push(...(yield* templateErrors(one, head)));
	for (const [key, { job, path }] of jobs) {
		if (faults.length >= MAX_FOUND_FAULTS) break;
		const names: Names = { params, matrix: job.matrix ? axesOf(job.matrix) : [], needs: yield* downloadsFor(job, jobs) };
		for (const one of matrixTemplates(job, path)) faults.push(...(yield* templateErrors(one, head)));
		for (const one of jobTemplates(job, path)) faults.push(...(yield* templateErrors(one, names)));
		if (job.if !== undefined) {
			yield UNITS_OF_EXPRESSION;
			const checked = checkExpression(job.if, names, "condition");
			faults.push(...checked.faults.map((fault) => placed([...path, "if"], fault)));
		}
		faults.push(...secretFaults(job, pipeline.env ?? {}, path));
		yield 20 + job.steps.length + (job.artifacts?.fetch ? edges / 10 : 0);
		const ancestors = job.artifacts?.fetch ? ancestorsOf(key, needs) : new Set<string>();
		faults.push(...referenceFaults(job, path, jobs, ancestors));
		faults.push(...serviceFaults(job, pipeline.defaults?.container, path));
	}
	return faults;
}

/** Services that nothing could reach. */
function serviceFaults(job: JobText, byDefault: JobText["container"], path: string[]): CheckError[] {
	if (!job.services) return [];
	const container = job.container ?? byDefault;
	if (!container) {
		const message = "services are reached from a container, and this job has none";
		return [{ path: [...path, "services"], at: null, message, suggestion: "give it a container" }];
	}
	if (container.options?.network !== "none") return [];
	const [whose, place] = job.container
		? ["this container", ["container", "options", "network"]]
		: ["the container of defaults", ["services"]];
	const message = `services are reached by a network, and ${whose} is to have none`;
	return [
		{ path: [...path, ...place], at: null, message, suggestion: job.container ? "leave one of them out" : "give the job a container" },
	];
}

/** A variable that has two values, and secrets that nothing could see, are mistakes. */
function secretFaults(job: JobText, env: Readonly<Record<string, string>>, path: string[]): CheckError[] {
	const names = Object.keys(job.secrets ?? {});
	const isSet = (name: string) => [env, job.env, ...job.steps.map((step) => step.env)].some((one) => Object.hasOwn(one ?? {}, name));
	const faults = names
		.filter(isSet)
		.map((name) => ({ path: [...path, "secrets", name], at: null, message: "is set in env, too", suggestion: "keep one of them" }));
	if (names.length > 0 && job.steps.every((step) => step.build)) {
		const message = "no step of this job runs a script, and nothing else sees them";
		faults.push({ path: [...path, "secrets"], at: null, message, suggestion: "leave them out" });
	}
	return faults;
}

const TYPES = { string: "string", choice: "string", integer: "int", number: "double", boolean: "bool" } as const;

function typesOf(params: ParametersText): Names["params"] {
	return Object.fromEntries(Object.entries(params).map(([name, { type }]) => [name, TYPES[type ?? "string"]]));
}

type Jobs = ReadonlyMap<string, { job: JobText; path: string[] }>;

function* downloadsFor(job: JobText, jobs: Jobs): SlicedWork<Names["needs"]> {
	const outputs = new Map<string, readonly string[] | null>();
	for (const { job: key, matrix } of job.needs ?? []) {
		const needed = jobs.get(key)?.job;
		const isOne = !needed?.matrix || meansOne(needed.matrix, matrix ?? {});
		outputs.set(key, isOne && !outputs.has(key) ? (needed?.outputs ?? []) : null);
		yield needed?.matrix ? 100 : 1;
	}
	return Object.fromEntries(outputs);
}

function placed(path: string[], { at, message, suggestion }: ExpressionError): CheckError {
	return { path, at, message, suggestion };
}

function* templateErrors({ path, text, moment }: TemplateAt, names: Names): SlicedWork<CheckError[]> {
	if (!text.includes("${{")) return [];
	yield expressionsOf(text).length * UNITS_OF_EXPRESSION + text.length / 100;
	const { faults, isLate } = checkTemplate(text, names);
	if (faults.length > 0 || !isLate || moment === "late") return faults.map((fault) => placed(path, fault));
	return [
		{
			path,
			at: null,
			message: "needs.… is not known here: this must be settled before the run begins",
			suggestion: "use params, run or matrix; needs.… may stand in env, in images, in the tags of a build and in if",
		},
	];
}

/** Needs that select by axes which are not there, fetches from jobs that may not have run. */
function* referenceFaults(job: JobText, path: string[], jobs: Jobs, ancestors: ReadonlySet<string>): Generator<CheckError> {
	for (const [index, { job: needed, matrix }] of (job.needs ?? []).entries())
		yield* axisFaults(needed, matrix, [...path, "needs", String(index), "matrix"], jobs);
	for (const [index, fetched] of (job.artifacts?.fetch ?? []).entries()) {
		const at = [...path, "artifacts", "fetch", String(index)];
		const source = jobs.get(fetched.job)?.job;
		if (!source || !ancestors.has(fetched.job)) {
			const message = source
				? `${fetched.job} may not have run: this job does not need it`
				: `there is no job ${JSON.stringify(fetched.job)}`;
			const near = source ? null : nearest(fetched.job, [...ancestors]);
			yield { path: at, at: null, message, suggestion: source ? `add it: needs: [${fetched.job}]` : near ? `did you mean ${near}?` : null };
		} else if (!source.artifacts?.save) {
			yield { path: at, at: null, message: `${fetched.job} saves no artifacts`, suggestion: "give it artifacts: {save: […]}" };
		} else yield* axisFaults(fetched.job, fetched.matrix, [...at, "matrix"], jobs);
	}
}

function* axisFaults(key: string, matrix: Readonly<Record<string, string>> | undefined, path: string[], jobs: Jobs): Generator<CheckError> {
	const of = jobs.get(key)?.job.matrix;
	const axes = of ? axesOf(of) : [];
	for (const axis of Object.keys(matrix ?? {})) {
		if (axes.includes(axis)) continue;
		const suggestion = axes.length > 0 ? `its axes: ${axes.join(", ")}` : "it has no matrix";
		yield { path: [...path, axis], at: null, message: `${key} has no axis ${axis}`, suggestion };
	}
}
