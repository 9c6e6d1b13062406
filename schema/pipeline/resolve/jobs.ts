import { DEFAULT_FINALLY_MS, DEFAULT_JOB_TIMEOUT_MS } from "../../wire/limits.ts";
import { usesOf } from "../expressions/evaluate.ts";
import type { Scope } from "../expressions/scope.ts";
import { needsValue, type Templated } from "../expressions/template.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { APPROVER_ROLES, type JobText, RETRY_CAUSES } from "../validate/language.ts";
import { axesFromOutputs, axesOf, type Cell, expandMatrix, type MatrixText } from "../validate/matrix.ts";
import { type PlacedStep, placedSteps } from "../validate/steps.ts";
import { allSteps, matrixTemplates, type Pipeline } from "../validate/templates.ts";
import { resolvedContainer, resolvedServices } from "./containers.ts";
import { resolvedRequirements } from "./requirements.ts";
import type { Reference, ResolvedJob } from "./resolved.ts";
import { resolvedStep } from "./steps.ts";
import { TemplateFiller } from "./template_filler.ts";

/** The values of a submission that override those of each job. */
export interface JobOverrides {
	env: Record<string, string>;
	runs_on: string[] | undefined;
	container: string | undefined;
}

/** A job with its matrix jobs; a job without a matrix has one without values. */
export interface ExpandedJob {
	key: string;
	job: JobText;
	path: string[];
	cells: readonly (Cell | null)[];
	/** Its axes, if their values depend on a parameter without a value. */
	openAxes: readonly string[];
}

/** What the matrix jobs of a job are made of, once its matrix is known. */
export interface StoredExpansion {
	/** The valid text of the job, and of the pipeline's `defaults`. */
	job: JobText;
	defaults: Pipeline["defaults"] | null;
	/** The variables of all jobs. */
	env: Record<string, Templated>;
	/** What the submission overrides. */
	overrides: { env: Record<string, string>; runs_on: string[] | null; container: string | null };
}

/** Resolves the jobs of one pipeline. */
export class JobResolver {
	readonly filler = new TemplateFiller();
	/** Paths, joined with dots, at which a parameter without a value decides about matrix jobs. */
	readonly open = new Set<string>();
	readonly #defaults: Pipeline["defaults"];
	readonly #overrides: JobOverrides;
	readonly #scope: Scope;
	/** Variables of every job. */
	#env: Record<string, Templated> = {};

	constructor(defaults: Pipeline["defaults"], overrides: JobOverrides, scope: Scope) {
		this.#defaults = defaults;
		this.#overrides = overrides;
		this.#scope = scope;
	}

	/** Fills in the variables of all jobs. */
	*begin(env: Pipeline["env"]): SlicedWork<void> {
		this.#env = yield* this.filler.earlyMap(env, this.#scope, ["env"]);
	}

	/** The matrix jobs of a job. */
	*expand(key: string, job: JobText, path: string[]): SlicedWork<ExpandedJob> {
		const { matrix } = job;
		if (!matrix || typeof matrix === "string" || axesFromOutputs(matrix) !== null) return { key, job, path, cells: [null], openAxes: [] };
		const at = [...path, "matrix"];
		const { cells, errors } = expandMatrix(yield* this.#filledMatrix(matrix, at));
		yield 500;
		if (![...matrixTemplates(job, path)].some(({ text }) => needsValue(text, this.#scope))) {
			for (const error of errors) this.filler.errors.push({ ...error, path: [...at, ...error.path] });
			return { key, job, path, cells, openAxes: [] };
		}
		// There may be other matrix jobs than these, and each value may be another one.
		this.open.add(at.join("."));
		return { key, job, path, cells: cells.length > 0 ? cells : [{}], openAxes: axesOf(matrix) };
	}

	/** The jobs of a matrix whose values are known by now. @returns null if there are errors: see the filler */
	*expandLate(key: string, job: JobText, matrix: MatrixText): SlicedWork<ResolvedJob[] | null> {
		const { cells, errors } = expandMatrix(matrix);
		this.filler.errors.push(...errors);
		const jobs: ResolvedJob[] = [];
		for (const cell of errors.length > 0 ? [] : cells) {
			if (this.filler.errors.length > 0) break;
			jobs.push(yield* this.job({ key, job: { ...job, matrix }, path: [], cells, openAxes: [] }, cell));
		}
		return this.filler.errors.length > 0 ? null : jobs;
	}

	/** Takes over the variables of all jobs, as they were filled in before. */
	resume(env: Readonly<Record<string, Templated>>): void {
		this.#env = { ...env };
	}

	*#filledMatrix(matrix: MatrixText, path: string[]): SlicedWork<MatrixText> {
		const filled: Record<string, unknown> = {};
		for (const [key, value] of Object.entries(matrix)) {
			if (!Array.isArray(value)) {
				filled[key] = value;
				continue;
			}
			const list: unknown[] = [];
			for (const one of value as (string | Cell)[]) {
				list.push(
					typeof one === "string"
						? yield* this.filler.fill(one, this.#scope, [...path, key])
						: yield* this.filler.cell(one, this.#scope, path),
				);
			}
			filled[key] = list;
		}
		return filled as MatrixText;
	}

	/** A job whose matrix jobs become known when its needs have ended: until then one job stands for them. */
	#placeholder(key: string, job: JobText): ResolvedJob {
		const { runs_on, container, env } = this.#overrides;
		const uses = job.if === undefined ? null : usesOf(job.if);
		// Each matrix job has the condition, too. Without its values, it only says whether it asks for the status.
		const condition = uses && uses.axes.length > 0 ? (uses.status ? "always()" : null) : (job.if ?? null);
		const name = job.name === undefined || job.name.includes("${{") ? key : job.name;
		return {
			...EMPTY_JOB,
			key,
			name,
			needs: needsOf(job),
			condition,
			allow_failure: job.allow_failure ?? false,
			outputs: [...new Set(job.outputs ?? [])],
			artifacts: { ...savedBy(job), fetch: [] },
			expansion: JSON.stringify({
				job,
				defaults: this.#defaults ?? null,
				env: this.#env,
				overrides: { env, runs_on: runs_on ?? null, container: container ?? null },
			} satisfies StoredExpansion),
		};
	}

	/** A job, for one cell of its matrix if it has one. */
	*job({ key, job, path, openAxes }: ExpandedJob, cell: Cell | null): SlicedWork<ResolvedJob> {
		if (job.matrix && axesFromOutputs(job.matrix) !== null) return this.#placeholder(key, job);
		const matrix = typeof job.matrix === "string" ? undefined : job.matrix;
		const scope: Scope = { ...this.#scope, matrix: cell ?? {}, openAxes };
		const { filler } = this;
		const defaults = this.#defaults;
		const { runs_on, container: image } = this.#overrides;
		const retry = job.retry ?? defaults?.retry;
		const container = image === undefined ? (job.container ?? defaults?.container) : { image };
		const wanted = runs_on ? { labels: runs_on } : (job.runs_on ?? defaults?.runs_on ?? {});
		const requirements = yield* resolvedRequirements(filler, wanted, scope, [...path, "runs_on"]);
		const context = { defaults, isContained: container !== undefined };
		const steps = yield* this.#steps(placedSteps(job.steps, [...path, "steps"]), context, scope);
		const last = yield* this.#steps(placedSteps(job.finally?.steps ?? [], [...path, "finally", "steps"]), context, scope);
		const fetch: ResolvedJob["artifacts"]["fetch"] = [];
		for (const [index, one] of (job.artifacts?.fetch ?? []).entries()) {
			const matrix = yield* this.#selection(one.matrix, scope, [...path, "artifacts", "fetch", String(index), "matrix"]);
			fetch.push({ key: one.job, matrix, paths: one.paths ?? [], into: normalized(one.into) });
		}
		yield 20 + (job.needs?.length ?? 0) + Object.keys(this.#env).length / 5;
		const needsRuntime =
			container !== undefined || job.services !== undefined || allSteps(job, []).some(({ step }) => step.build !== undefined);
		return {
			key,
			name: yield* this.#nameOf(key, job.name, cell, scope, path),
			matrix: cell,
			needs: needsOf(job),
			condition: job.if ?? null,
			runs_on: needsRuntime ? { ...requirements, container: true } : requirements,
			container: container ? yield* resolvedContainer(filler, container, scope, [...path, "container"]) : null,
			services: yield* resolvedServices(filler, job.services, scope, [...path, "services"]),
			env: { ...this.#env, ...(yield* filler.earlyMap(job.env, scope, [...path, "env"])), ...this.#overrides.env },
			secrets: job.secrets ?? {},
			timeout_ms: job.timeout ?? defaults?.timeout ?? DEFAULT_JOB_TIMEOUT_MS,
			idle_timeout_ms: job.idle_timeout ?? defaults?.idle_timeout ?? null,
			retry: retry ? { attempts: retry.attempts, on: retry.on ?? [...RETRY_CAUSES], exit_codes: retry.exit_codes ?? null } : null,
			allow_failure: job.allow_failure ?? false,
			fail_fast: matrix?.fail_fast ?? false,
			max_parallel: matrix?.max_parallel ?? null,
			concurrency: job.concurrency ? yield* this.group(job.concurrency, scope, [...path, "concurrency"]) : null,
			approval: job.approval
				? {
						roles: job.approval.roles ?? (job.approval.users ? [] : [APPROVER_ROLES[0]]),
						users: job.approval.users ?? [],
						count: job.approval.count ?? 1,
						not_author: job.approval.not_author ?? false,
						timeout_ms: job.approval.timeout ?? null,
						message: job.approval.message ?? null,
					}
				: null,
			outputs: [...new Set(job.outputs ?? [])],
			steps,
			finally: job.finally ? { steps: last, timeout_ms: job.finally.timeout ?? DEFAULT_FINALLY_MS } : null,
			artifacts: { ...savedBy(job), fetch },
			reports: reportsOf(job),
			caches: yield* this.#caches(job, scope, path),
			build_caches: job.build_caches ?? defaults?.build_caches ?? [],
			discovery: null,
			added_by: null,
			expansion: null,
			lists_refs: false,
		};
	}

	*#steps(
		placed: readonly PlacedStep[],
		context: { defaults: Pipeline["defaults"]; isContained: boolean },
		scope: Scope,
	): SlicedWork<ResolvedJob["steps"]> {
		const steps: ResolvedJob["steps"] = [];
		for (const one of placed) steps.push(yield* resolvedStep(this.filler, one, context, scope));
		return steps;
	}

	*#caches({ cache }: JobText, scope: Scope, path: string[]): SlicedWork<ResolvedJob["caches"]> {
		const caches: ResolvedJob["caches"] = [];
		for (const [index, one] of (cache ?? this.#defaults?.cache ?? []).entries()) {
			const at = [...path, "cache", String(index)];
			caches.push({
				key: yield* this.filler.cacheKey(one.key, scope, [...at, "key"]),
				paths: one.paths,
				restore_keys: yield* this.filler.cacheKeys(one.restore_keys ?? [], scope, [...at, "restore_keys"]),
				when: one.when ?? "success",
				compression: one.compression ?? "fast",
				scope: one.scope ?? "branch",
			});
		}
		return caches;
	}

	/** The concurrency group of a run or a job. */
	*group(
		text: { group: string; limit?: number | undefined; cancel_in_progress?: boolean | undefined },
		scope: Scope,
		path: string[],
	): SlicedWork<{ group: string; limit: number; cancel_in_progress: boolean }> {
		const group = (yield* this.filler.fill(text.group, scope, [...path, "group"])).trim();
		if ((group === "" || group.length > 200) && !needsValue(text.group, scope))
			this.filler.addError([...path, "group"], "The name of a group must have 1 to 200 characters once its expressions are filled in.");
		return { group, limit: text.limit ?? 1, cancel_in_progress: text.cancel_in_progress ?? false };
	}

	*#selection(matrix: Cell | undefined, scope: Scope, path: string[]): SlicedWork<Cell | null> {
		if (!matrix) return null;
		if (Object.values(matrix).some((text) => needsValue(text, scope))) this.open.add(path.join("."));
		return yield* this.filler.cell(matrix, scope, path);
	}

	/** A matrix job has its values in its name, unless the author put them there. */
	*#nameOf(key: string, text: string | undefined, cell: Cell | null, scope: Scope, path: string[]): SlicedWork<string> {
		const name = text === undefined ? key : yield* this.filler.fill(text, scope, [...path, "name"]);
		const hasExpressions = text?.includes("${{") ?? false;
		const full = cell && !hasExpressions ? `${name} (${Object.values(cell).join(", ")})` : name;
		return full.length > 200 ? `${full.slice(0, 199)}…` : full;
	}
}

function needsOf(job: JobText): ResolvedJob["needs"] {
	return distinctReferences(
		(job.needs ?? []).map(({ job: needed, matrix, is_order }) => ({ key: needed, matrix: matrix ?? null, ...(is_order && { is_order }) })),
	);
}

/** What a job has that asks for nothing. */
const EMPTY_JOB: Omit<ResolvedJob, "key" | "name" | "needs" | "condition" | "artifacts" | "expansion"> = {
	...{ matrix: null, runs_on: { labels: [] }, container: null, services: [], env: {}, secrets: {} },
	...{ timeout_ms: DEFAULT_JOB_TIMEOUT_MS, idle_timeout_ms: null, retry: null, allow_failure: false, fail_fast: false, max_parallel: null },
	...{ concurrency: null, approval: null, outputs: [], steps: [], finally: null, reports: null, caches: [], build_caches: [] },
	...{ discovery: null, added_by: null, lists_refs: false },
};

function distinctReferences<Value extends Reference>(references: readonly Value[]): Value[] {
	return [...new Map(references.map((one) => [JSON.stringify(one), one])).values()];
}

/** A folder without `.` and empty parts; null for the workspace itself. */
function normalized(folder: string | undefined): string | null {
	const parts = (folder ?? "").split("/").filter((part) => part !== "" && part !== ".");
	return parts.length > 0 ? parts.join("/") : null;
}

/** The plain patterns of `artifacts.save`, and its entries that are maps. */
function savedBy({ artifacts }: JobText): Pick<ResolvedJob["artifacts"], "save" | "entries"> {
	const saved = artifacts?.save ?? [];
	return {
		save: saved.filter((one) => typeof one === "string"),
		entries: saved
			.filter((one) => typeof one !== "string")
			.map(({ paths, name, required, expire_in }) => ({
				paths,
				name: name ?? null,
				required: required ?? false,
				expire_in_ms: expire_in ?? null,
			})),
	};
}

function reportsOf({ reports }: JobText): ResolvedJob["reports"] {
	if (!reports) return null;
	const [coverage] = Object.entries(reports.coverage ?? {});
	return {
		junit: reports.junit ?? [],
		go_test: reports.go_test ?? [],
		tap: reports.tap ?? [],
		libtest: reports.libtest ?? [],
		automake: reports.automake ?? [],
		trx: reports.trx ?? [],
		bazel: reports.bazel ?? [],
		allow_empty: reports.allow_empty ?? false,
		retries: reports.retries ?? "flaky",
		coverage: coverage ? { format: coverage[0] as "lcov" | "cobertura" | "go", files: coverage[1] as string[] } : null,
	};
}
