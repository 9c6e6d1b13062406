import { ExpressionFailed } from "../expressions/evaluate.ts";
import type { Names, Scope } from "../expressions/scope.ts";
import { fill } from "../expressions/template.ts";
import { JobResolver, type StoredExpansion } from "../resolve/jobs.ts";
import type { ResolvedJob, ResolvedPipeline } from "../resolve/resolved.ts";
import { doneAtOnce } from "../syntax/sliced_work.ts";
import type { JobText } from "../validate/language.ts";
import {
	axesFromOutputs,
	axesOf,
	expandMatrix,
	type MatrixText,
	matrix as matrixSchema,
	nestedCell,
	partialAxesOf,
} from "../validate/matrix.ts";
import { countExpressions, expressionsOfMatrixJob } from "../validate/templates.ts";
import { kindOf } from "../validate/values.ts";
import { checkJob } from "../validate/whole_pipeline.ts";

/** Makes the matrix jobs of a job whose matrix comes from the outputs of needed jobs. */

/** More evaluations would hold up the queue. */
const MAX_EVALUATIONS = 3_000;

/** The matrix jobs; or why there are none, as a sentence. */
export type Expansion = { jobs: ResolvedJob[] } | { problem: string };

/**
 * The matrix jobs of a job whose needs have ended. What the outputs say is never evaluated as an
 * expression.
 * @param scope the values of the job's expressions, those of `needs` included
 */
export function expandJob({ expansion, key, added_by }: ResolvedJob, pipeline: ResolvedPipeline, scope: Scope): Expansion {
	if (expansion === null) throw new Error(`job ${key} has no matrix from outputs`);
	const { job, env: ofAll, overrides, ...stored } = JSON.parse(expansion) as StoredExpansion;
	const defaults = stored.defaults ?? undefined;
	try {
		const matrix = matrixOf(job, scope);
		if ("problem" in matrix) return matrix as { problem: string };
		const { cells, errors: impossible } = expandMatrix(matrix);
		if (impossible[0]) return { problem: impossible[0].message };
		const [wrong] = doneAtOnce(checkJob({ ...job, matrix }, [], namesOf(matrix, pipeline, scope)));
		if (wrong) return { problem: `${wrong.path.join(".")}: ${wrong.message}` };
		const count = countExpressions(expressionsOfMatrixJob({ steps: job.steps, defaults }, job, []));
		const evaluations = count * cells.length;
		if (evaluations > MAX_EVALUATIONS)
			return { problem: `Its matrix jobs evaluate ${evaluations} expressions; at most ${MAX_EVALUATIONS} are allowed.` };
		const { env, runs_on, container } = overrides;
		const resolver = new JobResolver(defaults, { env, runs_on: runs_on ?? undefined, container: container ?? undefined }, scope);
		resolver.resume(ofAll);
		const jobs = doneAtOnce(resolver.expandLate(key, job, matrix));
		const [error] = resolver.filler.errors;
		return jobs === null
			? { problem: `${error?.path.join(".") || "matrix"}: ${error?.message}` }
			: { jobs: jobs.map((one) => ({ ...one, added_by })) };
	} catch (error) {
		if (!(error instanceof ExpressionFailed)) throw error;
		return { problem: error.message };
	}
}

function matrixOf({ matrix }: JobText, scope: Scope): MatrixText | { problem: string } {
	if (typeof matrix === "string") {
		const whole = jsonOf(fill(matrix, scope), "The matrix");
		if ("problem" in whole) return whole;
		const { value } = whole;
		if (typeof value !== "object" || value === null)
			return { problem: `The matrix must be a map of axes or a list of matrix jobs, and the output is ${kindOf(value)}.` };
		return validMatrix(Array.isArray(value) ? { include: value } : value);
	}
	const open = matrix ? axesFromOutputs(matrix) : null;
	const filled: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(matrix ?? {})) {
		if (!Array.isArray(value)) filled[name] = value;
		else if (open?.includes(name)) {
			const list = jsonOf(fill(value[0] as string, scope), `The axis \`${name}\``);
			if ("problem" in list) return list;
			filled[name] = list.value;
		} else filled[name] = value.map((one) => (typeof one === "string" ? fill(one, scope) : nestedCell(one, (text) => fill(text, scope))));
	}
	return validMatrix(filled);
}

function jsonOf(text: string, what: string): { value: unknown } | { problem: string } {
	try {
		return { value: JSON.parse(text.trim()) as unknown };
	} catch {
		return { problem: `${what} must be JSON, and the output is ${JSON.stringify(text.slice(0, 100))}.` };
	}
}

function validMatrix(value: unknown): MatrixText | { problem: string } {
	const read = matrixSchema.safeParse(value);
	if (read.success && typeof read.data !== "string") return read.data;
	const [issue] = read.error?.issues ?? [];
	return { problem: `matrix${(issue?.path ?? []).map((part) => `.${String(part)}`).join("")}: ${issue?.message ?? "It is not a matrix."}` };
}

function namesOf(matrix: MatrixText, { jobs, params, doubles }: ResolvedPipeline, scope: Scope): Names {
	const typeOf = (name: string, value: unknown) =>
		doubles.includes(name) ? "double" : typeof value === "boolean" ? "bool" : typeof value === "number" ? "int" : "string";
	const outputsOf = (key: string) => {
		const [first, second] = jobs.filter((one) => one.key === key);
		return second ? null : (first?.outputs ?? []);
	};
	return {
		params: Object.fromEntries(Object.entries(params).map(([name, value]) => [name, typeOf(name, value)] as const)),
		matrix: axesOf(matrix),
		partialAxes: partialAxesOf(matrix),
		needs: Object.fromEntries(Object.keys(scope.needs).map((key) => [key, outputsOf(key)])),
		steps: null,
	};
}
