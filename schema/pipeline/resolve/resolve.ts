import type * as z from "zod";
import type { CheckoutChoice } from "../../wire/checkout.ts";
import { label } from "../../wire/labels.ts";
import { DEFAULT_JOB_TIMEOUT_MS, MAX_JOBS, MAX_RESOLVED_BYTES } from "../../wire/limits.ts";
import type { Requirements } from "../../wire/requirements.ts";
import { variableSizeError } from "../../wire/variable_size.ts";
import { changeKey, ExpressionFailed, type RunFacts, type Scope, usesOf } from "../expressions/expression.ts";
import { expressionsOf, fill, fillEarly, lacksValue, type Templated } from "../expressions/template.ts";
import { runFacts } from "../runtime/settle.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { type ContainerText, IMAGE, IMAGE_ERROR, type ServicesText } from "../validate/containers.ts";
import { type JobText, type MatrixText, RETRY_CAUSES, ROLES, type SourceText, type StepText } from "../validate/language.ts";
import type { ParameterValue } from "../validate/parameters.ts";
import { anyPathMatches } from "../validate/patterns.ts";
import {
	allExpressions,
	countExpressions,
	expressionsOfVariant,
	jobEntries,
	MAX_WORKED_OUT,
	matrixTemplates,
	type Pipeline,
} from "../validate/places.ts";
import { MAX_FOUND_FAULTS } from "../validate/read_values.ts";
import { FILLED_REQUIREMENTS, type RequirementsText, toolRange } from "../validate/requirements.ts";
import { isTemplate } from "../validate/values.ts";
import { agrees, axesOf, type Cell, expandMatrix } from "./matrix.ts";
import type { Reference, ResolvedJob, ResolvedPipeline } from "./resolved.ts";

/** From a checked pipeline to its resolved form: expressions filled in, matrices expanded, defaults put in. */

/** What a submission says beside the pipeline; it wins over the pipeline's own words. */
export interface Overrides {
	env: Record<string, string>;
	source: SourceText | undefined;
	runs_on: string[] | undefined;
	container: string | undefined;
	priority: number | undefined;
	params: Readonly<Record<string, ParameterValue>>;
	branch: string | undefined;
	/** The paths that have changed; undefined if nobody knows. */
	changed: readonly string[] | undefined;
	project: string;
	repository: ProjectRepository | null;
	/** Whether there must be a repository where the pipeline says how much of it is checked out. */
	needsRepository: boolean;
	event: string;
	pullRequest: ResolvedPipeline["pull_request"];
	/** The branch that the merge group is to go into that it is run for. */
	mergeTarget: string | null;
	/** Whether it stands for a command that was submitted in place of a pipeline. */
	isCommand: boolean;
	/** Whether it is run for a pull request, and for the push of the same commit, too. */
	isBesidePush: boolean;
}

/** What a project says of its repository. */
export interface ProjectRepository {
	address: string;
	/** Its main line. */
	branch: string;
}

/** What shows only when expressions are filled in. */
export interface ResolveError {
	path: string[];
	message: string;
	suggestion: string | null;
}

/** What a pipeline is called that has no name. */
export const DEFAULT_NAME = "pipeline";

/** Health checks of services, unless they say otherwise. */
const HEALTH = { interval_ms: 1_000, timeout_ms: 5_000, retries: 60 };

interface Resolution {
	pipeline: ResolvedPipeline;
	faults: ResolveError[];
	/** Places, as paths with dots, where a parameter without a value decides which variants there are, or are meant. */
	open: ReadonlySet<string>;
	/** The length of the pipeline as JSON; where it is more than it may be, it is not there in full. */
	bytes: number;
}

/**
 * The resolved form of a pipeline that was checked. Precedence of env: submission, job, pipeline. Where a parameter has no value, what
 * depends on it stays as it is written and is not judged.
 */
export function* resolvePipeline(pipeline: Pipeline, overrides: Overrides): SlicedWork<Resolution> {
	const faults: ResolveError[] = [];
	const source = sourceOf(pipeline.source, overrides);
	if (source === null && overrides.needsRepository && hasChoice(pipeline.source)) {
		const message = "says how much of a repository is checked out, and no repository is named";
		faults.push({ path: ["source"], message, suggestion: "name one with git, or submit the pipeline to a project that has one" });
	}
	const branch = overrides.branch ?? branchOf(source);
	const name = pipeline.name ?? DEFAULT_NAME;
	const { pullRequest: pull_request, mergeTarget: merge_target } = overrides;
	const run: RunFacts = runFacts({ name, branch, source, pull_request, merge_target }, overrides.project, overrides.event);
	const changed = yield* matchChanges(allExpressions(pipeline), overrides.changed);
	const { params } = overrides;
	const doubles = Object.entries(pipeline.params ?? {}).flatMap(([name, { type }]) => (type === "number" ? [name] : []));
	const scope: Scope = { run, params, doubles, matrix: {}, changed, needs: {}, status: { success: true, failure: false } };
	const resolver = new Resolver(pipeline, overrides, scope, faults);
	yield* resolver.begin();
	const expanded: ExpandedJob[] = [];
	for (const [key, { job, path }] of jobEntries(pipeline)) expanded.push(yield* resolver.expand(key, job, path));
	const tooMuch = yield* tooMuchOf(pipeline, expanded);
	if (tooMuch) faults.push(tooMuch);
	const jobs: ResolvedJob[] = [];
	let bytes = 0;
	for (const one of tooMuch ? [] : expanded) {
		for (const cell of one.cells) {
			const job = yield* resolver.job(one, cell);
			const size = new TextEncoder().encode(JSON.stringify(job)).byteLength;
			bytes += size + 1;
			yield size / 50;
			// What is too large must not be made in full.
			if (bytes > MAX_RESOLVED_BYTES || faults.length >= MAX_FOUND_FAULTS) break;
			jobs.push(job);
		}
		if (bytes > MAX_RESOLVED_BYTES || faults.length >= MAX_FOUND_FAULTS) break;
	}
	const group = pipeline.concurrency;
	const resolved: ResolvedPipeline = {
		name,
		is_command: overrides.isCommand,
		is_beside_push: overrides.isBesidePush,
		source,
		branch,
		pull_request,
		merge_target,
		params: { ...params },
		doubles,
		changed,
		priority: overrides.priority ?? pipeline.priority ?? 0,
		timeout_ms: "jobs" in pipeline ? (pipeline.timeout ?? null) : null,
		fail_fast: pipeline.fail_fast ?? false,
		concurrency: group
			? { ...(yield* resolver.group(group, scope, ["concurrency"])), hold_during_approval: group.hold_during_approval ?? false }
			: null,
		notify: (pipeline.notify ?? []).map(notificationOf),
		jobs,
	};
	bytes += new TextEncoder().encode(JSON.stringify({ ...resolved, jobs: [] })).byteLength;
	return { pipeline: resolved, faults, open: resolver.open, bytes };
}

/** What must not even be begun. */
function* tooMuchOf(pipeline: Pipeline, expanded: readonly ExpandedJob[]): SlicedWork<ResolveError | null> {
	const jobs = expanded.reduce((sum, { cells }) => sum + cells.length, 0);
	if (jobs > MAX_JOBS)
		return { path: ["jobs"], message: `at most ${MAX_JOBS} jobs; with all variants these are ${jobs}`, suggestion: null };
	let worked = 0;
	for (const { job, path, cells } of expanded) {
		const count = countExpressions(expressionsOfVariant(pipeline, job, path));
		worked += cells.length * count;
		yield 50 + count;
	}
	if (worked <= MAX_WORKED_OUT) return null;
	const message = `at most ${MAX_WORKED_OUT} expressions are worked out; with all variants these are ${worked}`;
	return { path: ["jobs"], message, suggestion: "put what is the same for several steps into the env of their job" };
}

function notificationOf({ on, webhook, secret, slack }: NonNullable<Pipeline["notify"]>[number]): ResolvedPipeline["notify"][number] {
	const to = slack === undefined ? { webhook: webhook ?? "", secret: secret ?? "" } : { slack };
	return { on: on ?? ["failure", "fixed"], to };
}

/** What the submission names, then the pipeline, then the project: its repository, on the branch that is asked for. */
function sourceOf(written: Pipeline["source"], { source: submitted, repository, branch }: Overrides): ResolvedPipeline["source"] {
	const ofProject = repository ? { git: repository.address, ref: branch ?? repository.branch } : null;
	const named = [submitted, written].find((one) => one !== undefined && ("git" in one || "upload" in one)) ?? ofProject;
	if (named === null || "upload" in named) return named;
	const { git, ref } = named as { git: string; ref: string | null };
	return { git, ref: ref && completeRef(ref), checkout: { ...choiceIn(written), ...choiceIn(submitted) } };
}

/** `tags/v2` is `refs/tags/v2`, as gitrevisions(7) completes it. */
function completeRef(ref: string): string {
	return /^(tags|heads)\//.test(ref) ? `refs/${ref}` : ref;
}

function choiceIn(source: Pipeline["source"]): CheckoutChoice {
	return source !== undefined && "checkout" in source ? source.checkout : {};
}

function hasChoice(source: Pipeline["source"]): boolean {
	return Object.keys(choiceIn(source)).length > 0;
}

const FULL_COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

function branchOf(source: ResolvedPipeline["source"]): string | null {
	if (!source || !("git" in source) || source.ref === null) return null;
	if (FULL_COMMIT.test(source.ref) || source.ref.startsWith("refs/tags/")) return null;
	return source.ref.replace(/^refs\/heads\//, "");
}

/** What is not in the answer counts as changed. */
function* matchChanges(expressions: Iterable<string>, paths: readonly string[] | undefined): SlicedWork<Record<string, boolean>> {
	if (!paths) return {};
	const asked = new Map<string, string[]>();
	for (const expression of expressions) {
		for (const patterns of usesOf(expression).changes) asked.set(changeKey(patterns), patterns);
		yield UNITS_OF_EXPRESSION;
	}
	if ([...asked.values()].flat().length * paths.length > MAX_MATCHES) return {};
	const answers: Record<string, boolean> = {};
	for (const [key, patterns] of asked) {
		const answer = yield* anyPathMatches(patterns, paths);
		if (answer !== null) answers[key] = answer;
	}
	return answers;
}

/** Comparisons of a path with a pattern. Where there would be more, nobody can tell what has changed. */
const MAX_MATCHES = 500_000;
/** Reading an expression, or working it out, takes about this long. */
const UNITS_OF_EXPRESSION = 100;

/** A job with its variants; one without a matrix has a single one without values. */
interface ExpandedJob {
	key: string;
	job: JobText;
	path: string[];
	cells: readonly (Cell | null)[];
	/** Its axes, if their values depend on what has none. */
	openAxes: readonly string[];
}

class Resolver {
	readonly #pipeline: Pipeline;
	readonly #overrides: Overrides;
	readonly #scope: Scope;
	readonly #faults: ResolveError[];
	readonly open = new Set<string>();
	/** Variables of every job. */
	#env: Record<string, Templated> = {};

	constructor(pipeline: Pipeline, overrides: Overrides, scope: Scope, faults: ResolveError[]) {
		this.#pipeline = pipeline;
		this.#overrides = overrides;
		this.#scope = scope;
		this.#faults = faults;
	}

	/** Fills in what all jobs have. */
	*begin(): SlicedWork<void> {
		this.#env = yield* this.#earlyMap(this.#pipeline.env, this.#scope, ["env"]);
	}

	/** Which variants a job has. */
	*expand(key: string, job: JobText, path: string[]): SlicedWork<ExpandedJob> {
		if (!job.matrix) return { key, job, path, cells: [null], openAxes: [] };
		const at = [...path, "matrix"];
		const { cells, faults } = expandMatrix(yield* this.#fillMatrix(job.matrix, at));
		yield 500;
		if (![...matrixTemplates(job, path)].some(({ text }) => lacksValue(text, this.#scope))) {
			for (const fault of faults) this.#faults.push({ ...fault, path: [...at, ...fault.path] });
			return { key, job, path, cells, openAxes: [] };
		}
		// There may be other variants than these, and each value may be another one.
		this.open.add(at.join("."));
		return { key, job, path, cells: cells.length > 0 ? cells : [{}], openAxes: axesOf(job.matrix) };
	}

	/** A job, for a cell of its matrix if it has one. */
	*job({ key, job, path, openAxes }: ExpandedJob, cell: Cell | null): SlicedWork<ResolvedJob> {
		return yield* this.#job(key, job, path, { ...this.#scope, matrix: cell ?? {}, openAxes }, cell);
	}

	*#fillMatrix(matrix: MatrixText, path: string[]): SlicedWork<MatrixText> {
		const filled: Record<string, unknown> = {};
		for (const [key, value] of Object.entries(matrix)) {
			if (typeof value === "boolean") {
				filled[key] = value;
				continue;
			}
			const list: unknown[] = [];
			for (const one of value as (string | Cell)[]) {
				list.push(
					typeof one === "string" ? yield* this.#fill(one, this.#scope, [...path, key]) : yield* this.#fillCell(one, this.#scope, path),
				);
			}
			filled[key] = list;
		}
		return filled as MatrixText;
	}

	*#fillCell(cell: Cell, scope: Scope, path: string[]): SlicedWork<Cell> {
		const filled: Cell = {};
		for (const [axis, value] of Object.entries(cell)) filled[axis] = yield* this.#fill(value, scope, path);
		return filled;
	}

	*#job(key: string, job: JobText, path: string[], scope: Scope, cell: Cell | null): SlicedWork<ResolvedJob> {
		const { defaults } = this.#pipeline;
		const retry = job.retry ?? defaults?.retry;
		const container =
			this.#overrides.container === undefined ? (job.container ?? defaults?.container) : { image: this.#overrides.container };
		const wanted = yield* this.#requirements(
			this.#overrides.runs_on ? { labels: this.#overrides.runs_on } : (job.runs_on ?? defaults?.runs_on ?? {}),
			scope,
			path,
		);
		const steps: ResolvedJob["steps"] = [];
		for (const [index, step] of job.steps.entries())
			steps.push(yield* this.#step(step, container !== undefined, scope, [...path, "steps", String(index)]));
		const fetch: ResolvedJob["artifacts"]["fetch"] = [];
		for (const [index, one] of (job.artifacts?.fetch ?? []).entries()) {
			const matrix = yield* this.#selection(one.matrix, scope, [...path, "artifacts", "fetch", String(index), "matrix"]);
			fetch.push({ key: one.job, matrix, paths: one.paths ?? [], into: normalised(one.into) });
		}
		yield 20 + (job.needs?.length ?? 0) + Object.keys(this.#env).length / 5;
		const needsRuntime = container !== undefined || job.services !== undefined || job.steps.some((step) => step.build !== undefined);
		return {
			key,
			name: yield* this.#nameOf(key, job.name, cell, scope, path),
			matrix: cell,
			needs: distinctReferences((job.needs ?? []).map(({ job: needed, matrix }) => ({ key: needed, matrix: matrix ?? null }))),
			condition: job.if ?? null,
			runs_on: needsRuntime ? { ...wanted, container: true } : wanted,
			container: container ? yield* this.#container(container, scope, [...path, "container"]) : null,
			services: yield* this.#services(job.services, scope, [...path, "services"]),
			env: { ...this.#env, ...(yield* this.#earlyMap(job.env, scope, [...path, "env"])), ...this.#overrides.env },
			secrets: job.secrets ?? {},
			timeout_ms: job.timeout ?? defaults?.timeout ?? DEFAULT_JOB_TIMEOUT_MS,
			idle_timeout_ms: job.idle_timeout ?? defaults?.idle_timeout ?? null,
			retry: retry ? { attempts: retry.attempts, on: retry.on ?? [...RETRY_CAUSES], exit_codes: retry.exit_codes ?? null } : null,
			allow_failure: job.allow_failure ?? false,
			fail_fast: job.matrix?.fail_fast ?? false,
			concurrency: job.concurrency ? yield* this.group(job.concurrency, scope, [...path, "concurrency"]) : null,
			approval: job.approval
				? { roles: job.approval.roles ?? [...ROLES], timeout_ms: job.approval.timeout ?? null, message: job.approval.message ?? null }
				: null,
			outputs: [...new Set(job.outputs ?? [])],
			steps,
			artifacts: { ...savedBy(job), fetch },
			reports: job.reports
				? {
						junit: job.reports.junit ?? [],
						go_test: job.reports.go_test ?? [],
						tap: job.reports.tap ?? [],
						libtest: job.reports.libtest ?? [],
						automake: job.reports.automake ?? [],
						trx: job.reports.trx ?? [],
						bazel: job.reports.bazel ?? [],
						allow_empty: job.reports.allow_empty ?? false,
						retries: job.reports.retries ?? "flaky",
						coverage: coverageOf(job.reports.coverage),
					}
				: null,
			discovery: null,
			lists_refs: false,
		};
	}

	*#selection(matrix: Cell | undefined, scope: Scope, path: string[]): SlicedWork<Cell | null> {
		if (!matrix) return null;
		if (Object.values(matrix).some((text) => lacksValue(text, scope))) this.open.add(path.join("."));
		return yield* this.#fillCell(matrix, scope, path);
	}

	/** A variant carries its values in its name, unless the author put them there. */
	*#nameOf(key: string, text: string | undefined, cell: Cell | null, scope: Scope, path: string[]): SlicedWork<string> {
		const name = text === undefined ? key : yield* this.#fill(text, scope, [...path, "name"]);
		const isTold = text?.includes("${{") ?? false;
		const full = cell && !isTold ? `${name} (${Object.values(cell).join(", ")})` : name;
		return full.length > 200 ? `${full.slice(0, 199)}…` : full;
	}

	*#requirements(text: RequirementsText, scope: Scope, path: string[]): SlicedWork<Requirements> {
		const labels: string[] = [];
		for (const [index, one] of (text.labels ?? []).entries()) {
			const filled = yield* this.#fill(one, scope, [...path, "runs_on", String(index)]);
			const checked = label.safeParse(filled);
			if (!checked.success && !lacksValue(one, scope))
				this.#fault([...path, "runs_on", String(index)], `${JSON.stringify(filled)}: ${checked.error.issues[0]?.message}`);
			labels.push(filled);
		}
		const at = [...path, "runs_on"];
		const values: Record<string, unknown> = {};
		for (const [key, schema] of Object.entries(FILLED_REQUIREMENTS)) {
			const value = yield* this.#required<string | number>(schema, text[key as keyof typeof FILLED_REQUIREMENTS], scope, [...at, key]);
			if (value !== undefined) values[key] = value;
		}
		const tools: Record<string, string> = {};
		for (const [name, range] of Object.entries(text.tools ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
			const filled = yield* this.#required<string>(toolRange, range, scope, [...at, "tools", name]);
			if (filled !== undefined) tools[name] = filled;
		}
		return {
			labels: [...new Set(labels)].sort(),
			...(values as Pick<Requirements, keyof typeof FILLED_REQUIREMENTS>),
			...(text.container ? { container: true as const } : {}),
			...(Object.keys(tools).length > 0 ? { tools } : {}),
		};
	}

	/** A value, filled in and checked if an expression gives it; undefined where nobody knows it yet, or it is wrong. */
	*#required<Value>(
		schema: z.ZodType<Value>,
		value: Value | string | undefined,
		scope: Scope,
		path: string[],
	): SlicedWork<Value | undefined> {
		if (!isTemplate(value)) return value as Value | undefined;
		if (lacksValue(value, scope)) return undefined;
		const filled = yield* this.#fill(value, scope, path);
		// That it cannot be filled in is said already.
		if (filled === value) return undefined;
		const checked = schema.safeParse(filled);
		if (checked.success) return checked.data;
		this.#fault(path, `${JSON.stringify(filled)}: ${checked.error.issues[0]?.message}`);
		return undefined;
	}

	*#step(step: StepText, isContained: boolean, scope: Scope, path: string[]): SlicedWork<ResolvedJob["steps"][number]> {
		const { defaults } = this.#pipeline;
		const what = step.run ?? `build ${step.build?.tags[0] ?? ""}`;
		return {
			name: step.name === undefined ? firstLine(what) : yield* this.#fill(step.name, scope, [...path, "name"]),
			run: step.run ?? "",
			env: yield* this.#earlyMap(step.env, scope, [...path, "env"]),
			working_directory: step.build ? null : (step.working_directory ?? defaults?.working_directory ?? null),
			shell: step.shell ?? defaults?.shell ?? (isContained ? "default" : "bash"),
			timeout_ms: step.timeout ?? null,
			build: step.build ? yield* this.#build(step.build, scope, path) : null,
		};
	}

	*#build(
		build: NonNullable<StepText["build"]>,
		scope: Scope,
		path: string[],
	): SlicedWork<NonNullable<ResolvedJob["steps"][number]["build"]>> {
		const tags = yield* this.#earlyList(build.tags, scope, [...path, "build"]);
		const cache = yield* this.#earlyList(build.cache ?? [], scope, [...path, "build"]);
		return {
			context: build.context ?? ".",
			dockerfile: build.dockerfile ?? null,
			tags: tags.map((tag) => this.#checkImage(tag, [...path, "build", "tags"])),
			push: build.push ?? false,
			cache: cache.map((tag) => this.#checkImage(tag, [...path, "build", "cache"])),
			args: yield* this.#earlyMap(build.args, scope, [...path, "build"]),
			target: build.target ?? null,
			credentials: build.credentials ?? null,
		};
	}

	*#container(text: ContainerText, scope: Scope, path: string[]): SlicedWork<NonNullable<ResolvedJob["container"]>> {
		return {
			image: yield* this.#image(text.image, scope, [...path, "image"]),
			workdir: text.workdir ?? null,
			user: text.user ?? null,
			env: yield* this.#earlyMap(text.env, scope, [...path, "env"]),
			volumes: text.volumes ?? [],
			devices: text.devices ?? [],
			options: text.options ?? {},
			pull: text.pull ?? "missing",
			credentials: text.credentials ?? null,
		};
	}

	*#services(text: ServicesText | undefined, scope: Scope, path: string[]): SlicedWork<ResolvedJob["services"]> {
		const services: ResolvedJob["services"] = [];
		for (const [name, service] of Object.entries(text ?? {})) {
			services.push({
				name,
				image: yield* this.#image(service.image, scope, [...path, name, "image"]),
				env: yield* this.#earlyMap(service.env, scope, [...path, name, "env"]),
				command: service.command ? yield* this.#earlyList(service.command, scope, [...path, name, "command"]) : null,
				health: service.health
					? {
							command: service.health.command,
							interval_ms: service.health.interval ?? HEALTH.interval_ms,
							timeout_ms: service.health.timeout ?? HEALTH.timeout_ms,
							retries: service.health.retries ?? HEALTH.retries,
						}
					: null,
				pull: service.pull ?? "missing",
				credentials: service.credentials ?? null,
			});
		}
		return services;
	}

	*#image(text: string, scope: Scope, path: string[]): SlicedWork<Templated> {
		return this.#checkImage(yield* this.#early(text, scope, path), path);
	}

	/** An image whose name is known by now must be one; one that is not is checked where it is used. */
	#checkImage(image: Templated, path: string[]): Templated {
		if (typeof image === "string" && !IMAGE.test(image)) this.#fault(path, `${JSON.stringify(image)} ${IMAGE_ERROR}`);
		return image;
	}

	*group(
		text: { group: string; limit?: number | undefined; cancel_in_progress?: boolean | undefined },
		scope: Scope,
		path: string[],
	): SlicedWork<{ group: string; limit: number; cancel_in_progress: boolean }> {
		const group = (yield* this.#fill(text.group, scope, [...path, "group"])).trim();
		if ((group === "" || group.length > 200) && !lacksValue(text.group, scope))
			this.#fault([...path, "group"], "the name of a group has 1 to 200 characters once it is filled in");
		return { group, limit: text.limit ?? 1, cancel_in_progress: text.cancel_in_progress ?? false };
	}

	*#earlyMap(map: Readonly<Record<string, string>> | undefined, scope: Scope, path: string[]): SlicedWork<Record<string, Templated>> {
		const filled: Record<string, Templated> = {};
		for (const [name, text] of Object.entries(map ?? {})) {
			const value = yield* this.#early(text, scope, path);
			const error = typeof value === "string" ? variableSizeError(name, value) : null;
			if (error !== null) this.#fault([...path, name], error);
			filled[name] = value;
		}
		return filled;
	}

	*#earlyList(list: readonly string[], scope: Scope, path: string[]): SlicedWork<Templated[]> {
		const filled: Templated[] = [];
		for (const text of list) filled.push(yield* this.#early(text, scope, path));
		return filled;
	}

	*#early(text: string, scope: Scope, path: string[]): SlicedWork<Templated> {
		yield unitsOf(text);
		return this.#safely(path, text, () => fillEarly(text, scope));
	}

	*#fill(text: string, scope: Scope, path: string[]): SlicedWork<string> {
		yield unitsOf(text);
		return this.#safely(path, text, () => (lacksValue(text, scope) ? text : fill(text, scope)));
	}

	#safely<Value>(path: string[], fallback: Value, body: () => Value): Value {
		try {
			return body();
		} catch (error) {
			if (!(error instanceof ExpressionFailed)) throw error;
			this.#fault(path, error.message);
			return fallback;
		}
	}

	#fault(path: string[], message: string): void {
		this.#faults.push({ path, message, suggestion: null });
	}
}

/** How long it takes to fill in a text. */
function unitsOf(text: string): number {
	return text.includes("${{") ? expressionsOf(text).length * UNITS_OF_EXPRESSION + text.length / 500 : 0.2;
}

function coverageOf(text: NonNullable<JobText["reports"]>["coverage"]): NonNullable<ResolvedJob["reports"]>["coverage"] {
	const [entry] = Object.entries(text ?? {});
	return entry ? { format: entry[0] as "lcov" | "cobertura" | "go", files: entry[1] as string[] } : null;
}

function distinctReferences(references: readonly Reference[]): Reference[] {
	return [...new Map(references.map((one) => [JSON.stringify(one), one])).values()];
}

/** The jobs that are meant: all variants, or those that have the values. */
export function jobsMeant<Job extends { key: string; matrix: Cell | null }>(jobs: readonly Job[], { key, matrix }: Reference): Job[] {
	return jobs.filter((job) => job.key === key && agrees(job.matrix, matrix ?? {}));
}

/** A folder without `.` and empty parts; null for the workspace itself. */
function normalised(folder: string | undefined): string | null {
	const parts = (folder ?? "").split("/").filter((part) => part !== "" && part !== ".");
	return parts.length > 0 ? parts.join("/") : null;
}

function firstLine(script: string): string {
	const line = script.trim().split("\n", 1)[0] ?? "";
	return line.length > 80 ? `${line.slice(0, 79)}…` : line;
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
