import { nearest } from "../../text/nearest_word.ts";
import { checkExpression } from "../expressions/check.ts";
import type { Names } from "../expressions/scope.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { code, MAX_FOUND_ERRORS } from "./errors.ts";
import { ancestorsOf } from "./graph.ts";
import type { JobText } from "./language.ts";
import { axesFromOutputs, axesOf, meansOne, partialAxesOf } from "./matrix.ts";
import type { ParametersText } from "./parameters.ts";
import { checkSteps } from "./step_references.ts";
import { templateErrors, UNITS_OF_EXPRESSION, type WholeError } from "./template_errors.ts";
import {
	allExpressions,
	allSteps,
	countExpressions,
	headTemplates,
	jobEntries,
	jobTemplates,
	MAX_EXPRESSIONS,
	matrixTemplates,
	type Pipeline,
} from "./templates.ts";

/**
 * The rules for a pipeline whose values are valid one by one: its expressions, and the references
 * between jobs.
 */

/** The errors of a pipeline as a whole. The needed jobs are known to exist. */
export function* checkWhole(pipeline: Pipeline): SlicedWork<WholeError[]> {
	const count = countExpressions(allExpressions(pipeline));
	yield 500 + count / 10;
	if (count > MAX_EXPRESSIONS) {
		const message = `A pipeline has at most ${MAX_EXPRESSIONS} expressions; this one has ${count}.`;
		return [{ path: [], at: null, message, suggestion: "Put an expression that repeats into `env`, once." }];
	}
	const params = typesOf(pipeline.params ?? {});
	const jobs = new Map(jobEntries(pipeline));
	const errors: WholeError[] = [];
	const needs = new Map([...jobs].map(([key, { job }]) => [key, (job.needs ?? []).map((need) => need.job)]));
	const edges = [...needs.values()].reduce((sum, { length }) => sum + length, 0);
	const head: Names = { params, matrix: [], needs: {}, steps: null };
	for (const one of headTemplates(pipeline)) errors.push(...(yield* templateErrors(one, head)));
	for (const [key, { job, path }] of jobs) {
		if (errors.length >= MAX_FOUND_ERRORS) break;
		const axes = {
			matrix: job.matrix ? axesOf(job.matrix) : [],
			partialAxes: job.matrix ? partialAxesOf(job.matrix) : [],
			openMatrix: job.matrix ? axesFromOutputs(job.matrix) : null,
		};
		const names: Names = { params, ...axes, needs: yield* downloadsFor(job, jobs), steps: null };
		const ofMatrix = axes.openMatrix === null ? head : { ...head, needs: names.needs };
		for (const one of matrixTemplates(job, path)) errors.push(...(yield* templateErrors(one, ofMatrix)));
		errors.push(...(yield* checkJob(job, path, names)));
		errors.push(...secretErrors(job, pipeline.env ?? {}, path));
		yield 20 + job.steps.length + (job.artifacts?.fetch ? edges / 10 : 0);
		const ancestors = job.artifacts?.fetch ? ancestorsOf(key, needs) : new Set<string>();
		errors.push(...referenceErrors(job, path, jobs, ancestors));
		errors.push(...serviceErrors(job, pipeline.defaults?.container, path));
	}
	return errors;
}

/** The errors in the expressions of a job and of its steps. */
export function* checkJob(job: JobText, path: string[], names: Names): SlicedWork<WholeError[]> {
	const errors: WholeError[] = [];
	for (const one of jobTemplates(job, path)) errors.push(...(yield* templateErrors(one, names)));
	if (job.if !== undefined) {
		yield UNITS_OF_EXPRESSION;
		const checked = checkExpression(job.if, names, "condition");
		errors.push(...checked.errors.map((error) => ({ ...error, path: [...path, "if"] })));
	}
	return [...errors, ...(yield* checkSteps(job, path, names))];
}

/** Services that no step can reach, and ports without a use. */
function serviceErrors(job: JobText, byDefault: JobText["container"], path: string[]): WholeError[] {
	if (!job.services) return [];
	const container = job.container ?? byDefault;
	if (!container) {
		const message = "A job on the host reaches a service through its ports, and this one has none.";
		const suggestion = "Add them: ports: [5432]. Or add a container: container: node:24.";
		const hidden = Object.entries(job.services).filter(([, { ports }]) => ports === undefined);
		return hidden.map(([name]) => ({ path: [...path, "services", name], at: null, message, suggestion }));
	}
	const asked = Object.entries(job.services).find(([, { ports }]) => ports?.some(({ on_host }) => on_host !== null));
	if (asked) {
		const message = "A job in a container reaches its services by their names, not at a port of the agent's machine.";
		const suggestion = "Write the port alone: ports: [5432].";
		return [{ path: [...path, "services", asked[0], "ports"], at: null, message, suggestion }];
	}
	if (container.options?.network !== "none") return [];
	const [whose, place] = job.container
		? ["this container", ["container", "options", "network"]]
		: ["the container of `defaults`", ["services"]];
	const message = `A job reaches its services through a network, and ${whose} has none.`;
	const suggestion = job.container ? "Remove `services` or `network: none`." : "Give the job a container of its own.";
	return [{ path: [...path, ...place], at: null, message, suggestion }];
}

/** Variables with two values, and secrets that no step can see. */
function secretErrors(job: JobText, env: Readonly<Record<string, string>>, path: string[]): WholeError[] {
	const names = Object.keys(job.secrets ?? {});
	const steps = allSteps(job, []).map(({ step }) => step);
	const isSet = (name: string) => [env, job.env, ...steps.map((step) => step.env)].some((one) => Object.hasOwn(one ?? {}, name));
	const errors: WholeError[] = names.filter(isSet).map((name) => ({
		path: [...path, "secrets", name],
		at: null,
		message: `Variable ${code(name)} is set in \`secrets\` and in \`env\`.`,
		suggestion: "Remove one of them.",
	}));
	if (names.length > 0 && steps.every((step) => step.build)) {
		const message = "Only scripts see secrets, and no step of this job runs a script.";
		errors.push({ path: [...path, "secrets"], at: null, message, suggestion: "Remove `secrets`." });
	}
	return errors;
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

/** Needs with unknown axes, and fetches from jobs that may not have run. */
function* referenceErrors(job: JobText, path: string[], jobs: Jobs, ancestors: ReadonlySet<string>): Generator<WholeError> {
	for (const [index, { job: needed, matrix }] of (job.needs ?? []).entries())
		yield* axisErrors(needed, matrix, [...path, "needs", String(index), "matrix"], jobs);
	for (const [index, fetched] of (job.artifacts?.fetch ?? []).entries()) {
		const at = [...path, "artifacts", "fetch", String(index)];
		const source = jobs.get(fetched.job)?.job;
		if (!source || !ancestors.has(fetched.job)) {
			const message = source
				? `Job ${code(fetched.job)} may not have run before this job, which does not need it.`
				: `Unknown job ${code(fetched.job)} in \`artifacts.fetch\`.`;
			const near = source ? null : nearest(fetched.job, [...ancestors]);
			yield {
				path: at,
				at: null,
				message,
				suggestion: source ? `Add needs: [${fetched.job}].` : near ? `Did you mean ${code(near)}?` : null,
			};
		} else if (!source.artifacts?.save) {
			yield {
				path: at,
				at: null,
				message: `Job ${code(fetched.job)} saves no artifacts.`,
				suggestion: "Add artifacts: { save: [dist/**] } to it.",
			};
		} else yield* axisErrors(fetched.job, fetched.matrix, [...at, "matrix"], jobs);
	}
}

function* axisErrors(key: string, matrix: Readonly<Record<string, string>> | undefined, path: string[], jobs: Jobs): Generator<WholeError> {
	const of = jobs.get(key)?.job.matrix;
	const axes = of ? axesOf(of) : [];
	if (of && matrix && axesFromOutputs(of) !== null) {
		const message = `The matrix jobs of ${code(key)} are not known before its needs have ended: none of them can be selected.`;
		yield { path, at: null, message, suggestion: "Remove the selection: then all of them are meant." };
		return;
	}
	for (const axis of Object.keys(matrix ?? {})) {
		if (axes.includes(axis)) continue;
		const suggestion = axes.length > 0 ? `Its axes are ${axes.join(", ")}.` : "It has no matrix: remove the selection.";
		yield { path: [...path, axis], at: null, message: `Job ${code(key)} has no axis ${code(axis)}.`, suggestion };
	}
}
