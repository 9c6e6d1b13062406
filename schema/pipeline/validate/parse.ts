import * as z from "zod";
import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_CHANGED_PATHS, MAX_JOBS, MAX_RESOLVED_BYTES, MAX_TOLD_FAULTS } from "../../wire/limits.ts";
import { ADHOC_PROJECT, projectName } from "../../wire/projects.ts";
import type { Trigger } from "../../wire/triggers.ts";
import { API_EVENT } from "../expressions/expression.ts";
import { DEFAULT_NAME, type ProjectRepository, resolvePipeline } from "../resolve/resolve.ts";
import type { ResolvedPipeline } from "../resolve/resolved.ts";
import { checkReferences } from "../resolve/variants.ts";
import { AmbiguousScalar, COLON_HINT, parsingSource, type SourceDocument } from "../syntax/document.ts";
import { doneAtOnce, type SlicedWork } from "../syntax/sliced_work.ts";
import { checkWhole } from "./check.ts";
import { checkNeeds } from "./graph.ts";
import {
	gitRef,
	JOB_KEY,
	PIPELINE_KEYS,
	type PipelineOfJobs,
	type PipelineOfSteps,
	pipelineOfJobs,
	pipelineOfSteps,
	priority,
	source,
	submittedContainer,
	submittedLabels,
} from "./language.ts";
import { fillParameters, type ParametersText } from "./parameters.ts";
import { jobEntries } from "./places.ts";
import { isMap, MAX_FOUND_FAULTS, type ReadPipeline, readPart, readPipeline, type ValueIssue } from "./read_values.ts";
import { nearest } from "./suggest.ts";
import { type ScheduleText, whyNot } from "./triggers.ts";
import { environment, KNOWN_KEYS, kindOf } from "./values.ts";

/** A submission, parsed: the resolved pipeline and the project that it belongs to. */
export interface Submission {
	pipeline: ResolvedPipeline;
	project: string;
}

const MAX_TOLD_HINTS = 20;
const MAX_TOLD_CHARACTERS = 1_000;
/** Finding the place of a fault, and what may have been meant, takes about this long. */
const UNITS_OF_FAULT = 40;

/** Keys of the language that are known but come later: refused by name, so that none is taken in vain. */
const NOT_YET = ["cache"];

const submissionKeys = {
	pipeline: z.unknown().optional(),
	run: z.unknown().optional(),
	params: z.record(z.string(), z.unknown()).optional(),
	env: environment.optional(),
	source: source.optional(),
	branch: gitRef.optional(),
	/** The paths that have changed, for changed() in conditions. */
	changed: z.array(z.string().max(1000)).max(MAX_CHANGED_PATHS).optional(),
	runs_on: submittedLabels.optional(),
	container: submittedContainer.optional(),
	priority: priority.optional(),
	project: projectName.optional(),
};
const submission = z.strictObject(submissionKeys, {
	error: (issue) => (issue.code === "unrecognized_keys" ? KNOWN_KEYS + Object.keys(submissionKeys).join(", ") : undefined),
});

/** A submission whose every value is right; what it becomes depends on its project. */
export interface CheckedSubmission {
	project: string;
	/** Whether it says itself what the workspace is made of. */
	hasSource: boolean;
	/** @throws ApiError `validation_failed` */
	resolving(options: ParseOptions): SlicedWork<Submission>;
}

/**
 * Parses what was posted: a submission (`{"run": "make test"}`, `{"pipeline": …}`) or a bare pipeline, as JSON or YAML. It is parsed once, also where
 * its project has to be looked up before it can be resolved.
 * @throws ApiError `malformed` for a text that does not parse, `validation_failed` with all faults at once.
 */
export function* checkingSubmission(text: string): SlicedWork<CheckedSubmission> {
	const document = yield* parsingSource(text);
	const { value } = document;
	if (!isMap(value)) {
		throw invalid([
			fault(document, [], `expected a pipeline or a submission, got ${kindOf(value)}`, 'post {"run": "make test"} or a YAML pipeline'),
		]);
	}
	if (!("pipeline" in value) && !("run" in value)) {
		const pipeline = yield* checkPipeline(document, value, []);
		return checkedSubmission({ pipeline, document, at: [] }, {}, document);
	}
	return yield* submissionOf(document, value);
}

/**
 * The same of a pipeline whose text is at hand, and of what is said beside it.
 * @throws ApiError as `checkingSubmission` does
 */
export function* checkingPipelineWith(pipeline: string, asked: Readonly<Record<string, unknown>>): SlicedWork<CheckedSubmission> {
	const document = yield* parsingSource(JSON.stringify(asked));
	return yield* submissionOf(document, { ...(document.value as object), pipeline });
}

/** Checks and resolves a submission. @throws ApiError as `checkingSubmission` does */
function* parsingSubmission(text: string, options: ParseOptions = {}): SlicedWork<Submission> {
	return yield* (yield* checkingSubmission(text)).resolving(options);
}

/** The same without a pause. @throws ApiError as `checkingSubmission` does */
export function parseSubmission(text: string, options: ParseOptions = {}): Submission {
	return doneAtOnce(parsingSubmission(text, options));
}

/**
 * The pipeline of a text that `parsingSubmission` takes, with the defaults of its parameters where none are given. What depends on a required one
 * is not judged.
 * @throws ApiError as `checkingSubmission` does
 */
export function* parsingPipeline(text: string): SlicedWork<ResolvedPipeline> {
	return (yield* parsingSubmission(text, { isComplete: false })).pipeline;
}

/**
 * Checks a pipeline that is to be kept. It cannot be made of what was uploaded: that is there for a day.
 * @throws ApiError as `checkingSubmission` does
 */
export function* checkingStoredPipeline(text: string): SlicedWork<void> {
	const { source } = yield* parsingPipeline(text);
	if (!source || !("upload" in source)) return;
	const message = "is kept for a day only, and a pipeline that is kept for ever";
	const document = yield* parsingSource(text);
	throw invalid([fault(document, ["source", "upload"], message, "name a repository, or an upload when it is triggered", { atKey: true })]);
}

/** The parameters that a pipeline declares. @throws ApiError as `checkingSubmission` does */
export function* readingParameters(text: string): SlicedWork<ParametersText> {
	const document = yield* parsingSource(text);
	return (yield* checkPipeline(document, document.value, [])).params ?? {};
}

interface ParseOptions {
	/** Whether every required parameter must be there. */
	isComplete?: boolean;
	/** What the workspace is made of where neither submission nor pipeline says: the repository of the project, and its main line. */
	repository?: ProjectRepository | null;
	/** Whether there must be a repository where the pipeline says how much of it is checked out. Default: where the pipeline is to be run. */
	needsRepository?: boolean;
	/** What makes the run; somebody's submission unless it is said. */
	event?: string;
	/** What a pipeline is called that has no name. */
	name?: string;
}

/** A file of a repository that says what is to be run. */
export interface RepositoryFile {
	/** Where it is in the repository. */
	path: string;
	text: string;
}

/** What a trigger has brought, and the project that it is for. */
export interface Occasion {
	trigger: Trigger;
	/** The paths that have changed; null where nobody can tell. */
	changed: readonly string[] | null;
	project: string;
	repository: ProjectRepository;
	params: Readonly<Record<string, string>>;
	/** Whether somebody means this very file. */
	isNamed: boolean;
}

/** What a file of a repository wants. */
export interface RepositoryPipeline {
	/** What its pipeline is called, also where it has no name, or cannot be read. */
	name: string;
	/** The times at which it wants to run. */
	schedules: readonly ScheduleText[];
	/** What is to be run, or why nothing is. */
	wanted: { submission: Submission } | { because: string };
}

/**
 * Reads a file of a repository after something has triggered it.
 * @throws ApiError as `checkingSubmission` does
 */
export function* readingRepositoryFile({ path, text }: RepositoryFile, occasion: Occasion): SlicedWork<RepositoryPipeline> {
	const document = yield* parsingSource(text);
	const checked = yield* checkPipeline(document, document.value, []);
	const { trigger, changed, project, repository, params, isNamed } = occasion;
	const name = checked.name ?? nameOfFile(path);
	const schedules = checked.on?.schedule ?? [];
	const misplaced = checked.source && ["git", "upload"].find((key) => key in (checked.source as object));
	if (misplaced !== undefined) {
		const message = "is for pipelines that are submitted: one of a repository is run at the commit that triggered it";
		throw invalid([fault(document, ["source", misplaced], message, "leave it out", { atKey: true })]);
	}
	const because = yield* whyNot(checked.on, trigger, changed, isNamed);
	if (because !== null) return { name, schedules, wanted: { because } };
	const given = {
		params,
		project,
		source: { git: repository.address, ref: trigger.ref, checkout: {} },
		...(trigger.branch === null ? {} : { branch: trigger.branch }),
		...(changed === null ? {} : { changed: [...changed] }),
	};
	const options = {
		repository,
		name,
		event: trigger.kind,
		pullRequest: pullRequestOf(trigger),
		mergeTarget: trigger.merge_target ?? null,
		isBesidePush: yield* isPushedToo(checked.on, trigger),
	};
	const pipeline: CheckedPipeline = { pipeline: checked, document, at: [] };
	return { name, schedules, wanted: { submission: yield* finishSubmission(pipeline, given, document, options) } };
}

/** The same without a pause. @throws ApiError as `checkingSubmission` does */
export function parseRepositoryFile(file: RepositoryFile, occasion: Occasion): RepositoryPipeline {
	return doneAtOnce(readingRepositoryFile(file, occasion));
}

/** What a pipeline may know of the pull request that it is run for. */
function pullRequestOf({ pull_request }: Trigger): ResolvedPipeline["pull_request"] {
	if (pull_request === null) return null;
	const { number, target, draft = false, labels = [] } = pull_request;
	return { number, target, draft, labels: [...labels] };
}

/** Whether the push of a pull request's own branch runs the same. Of one from another repository no push has told. */
function* isPushedToo(on: PipelineOfJobs["on"], trigger: Trigger): SlicedWork<boolean> {
	if (trigger.pull_request === null || trigger.pull_request.is_from_fork) return false;
	return (yield* whyNot(on, { ...trigger, kind: "push", pull_request: null }, null, false)) === null;
}

/** What the pipeline of a file is called, as far as that can be read of one that has faults. */
export function nameInFile(file: RepositoryFile): string {
	return doneAtOnce(readingName(file));
}

/** The same in slices. */
export function* readingName({ path, text }: RepositoryFile): SlicedWork<string> {
	try {
		const { value } = yield* parsingSource(text);
		if (isMap(value) && typeof value.name === "string" && value.name.trim() !== "") return value.name.trim().slice(0, 200);
	} catch {
		// What does not parse has no name.
	}
	return nameOfFile(path);
}

/** `.windlass/ci.yml` is called ci, `.windlass.yml` as every pipeline without a name. */
function nameOfFile(path: string): string {
	const file = path.slice(path.lastIndexOf("/") + 1).replace(/\.ya?ml$/, "");
	return file.startsWith(".") || file === "" ? DEFAULT_NAME : file.slice(0, 200);
}

/**
 * The same of a form: each part has the name of a key. What is text by nature is taken as it is, every other part is read as YAML.
 * @throws ApiError as `checkingSubmission` does, naming the part
 */
export function* checkingSubmissionForm(parts: ReadonlyMap<string, string>): SlicedWork<CheckedSubmission> {
	const value: Record<string, unknown> = {};
	for (const [name, text] of parts) value[name] = TEXT_PARTS.has(name) ? text : yield* partValue(name, text);
	const form: SourceDocument = { value, locate: () => null };
	if (!("pipeline" in value) && !("run" in value))
		throw invalid([fault(form, [], "a submission needs the part pipeline or run", "-F pipeline=@ci.yml, or -F run='make test'")]);
	return yield* submissionOf(form, value);
}

/** The same without a pause, resolved. @throws ApiError as `checkingSubmissionForm` does */
export function parseSubmissionForm(parts: ReadonlyMap<string, string>, options: ParseOptions = {}): Submission {
	return doneAtOnce(
		(function* () {
			return yield* (yield* checkingSubmissionForm(parts)).resolving(options);
		})(),
	);
}

const TEXT_PARTS: ReadonlySet<string> = new Set(["pipeline", "run", "project", "branch", "container"]);

function* partValue(name: string, text: string): SlicedWork<unknown> {
	try {
		return (yield* parsingSource(text)).value;
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		throw new ApiError(error.code, `The part ${name}: ${error.message}`, error);
	}
}

/** A pipeline that was checked, and where its text is. */
interface CheckedPipeline {
	pipeline: PipelineOfJobs | PipelineOfSteps;
	document: SourceDocument;
	/** The way to it in that text. */
	at: string[];
}

function* submissionOf(document: SourceDocument, value: Record<string, unknown>): SlicedWork<CheckedSubmission> {
	const errors: FieldError[] = [];
	const { data, issues } = yield* readPart(submission, {
		...value,
		...("pipeline" in value ? { pipeline: null } : {}),
		...shortened(value),
	});
	errors.push(...(yield* faultsOf(document, issues, [])));
	if ("pipeline" in value && "run" in value) {
		errors.push(fault(document, ["run"], "pipeline and run exclude each other", "keep one of them", { atKey: true }));
	}
	const checked =
		"pipeline" in value ? yield* checkSubmittedPipeline(document, value.pipeline, errors) : shorthand(document, value.run, errors);
	if (errors.length > 0 || !checked) throw invalid(errors);
	return checkedSubmission(checked, data as z.infer<typeof submission>, document);
}

/** One path more than may be named says as much as all of them. */
function shortened({ changed }: Readonly<Record<string, unknown>>): { changed?: unknown[] } {
	return Array.isArray(changed) ? { changed: changed.slice(0, MAX_CHANGED_PATHS + 1) } : {};
}

function checkedSubmission(checked: CheckedPipeline, given: z.infer<typeof submission>, document: SourceDocument): CheckedSubmission {
	return {
		project: given.project ?? ADHOC_PROJECT,
		hasSource: [given.source, checked.pipeline.source].some((one) => one !== undefined && ("git" in one || "upload" in one)),
		resolving: (options) => finishSubmission(checked, given, document, options),
	};
}

interface FinishOptions extends ParseOptions {
	pullRequest?: ResolvedPipeline["pull_request"];
	mergeTarget?: string | null;
	isBesidePush?: boolean;
}

function* finishSubmission(
	checked: CheckedPipeline,
	given: z.infer<typeof submission>,
	submitted: SourceDocument,
	{
		isComplete = true,
		needsRepository = isComplete,
		repository = null,
		event = API_EVENT,
		name = DEFAULT_NAME,
		pullRequest = null,
		mergeTarget = null,
		isBesidePush = false,
	}: FinishOptions,
): SlicedWork<Submission> {
	const project = given.project ?? ADHOC_PROJECT;
	const { values, faults } = yield* fillParameters(checked.pipeline.params ?? {}, given.params ?? {});
	const wrong = faults.filter(({ isMissing }) => isComplete || !isMissing).slice(0, MAX_FOUND_FAULTS);
	if (wrong.length > 0)
		throw invalid(wrong.map(({ name, message, suggestion }) => fault(submitted, ["params", name], message, suggestion)));
	const {
		pipeline,
		faults: unresolved,
		open,
		bytes,
	} = yield* resolvePipeline(
		{ ...checked.pipeline, name: checked.pipeline.name ?? name },
		{
			env: given.env ?? {},
			source: given.source,
			runs_on: given.runs_on,
			container: given.container,
			priority: given.priority,
			params: values,
			branch: given.branch,
			changed: given.changed,
			project,
			repository,
			needsRepository,
			event,
			pullRequest,
			mergeTarget,
			isCommand: checked.at[0] === "run",
			isBesidePush,
		},
	);
	if (bytes > MAX_RESOLVED_BYTES) {
		throw new ApiError("validation_failed", `The pipeline has more than ${MAX_RESOLVED_BYTES} bytes after parsing.`, {
			details: { errors: [], limit: MAX_RESOLVED_BYTES },
			suggestions: ["Move long scripts into the repository and call them."],
		});
	}
	const paths = new Map(jobEntries(checked.pipeline).map(([key, { path }]) => [key, path]));
	const found = [...unresolved, ...(yield* checkReferences(pipeline.jobs, paths, open))].slice(0, MAX_FOUND_FAULTS);
	yield found.length * UNITS_OF_FAULT;
	if (found.length > 0)
		throw invalid(found.map(({ path, message, suggestion }) => fault(checked.document, [...checked.at, ...path], message, suggestion)));
	return { pipeline, project };
}

/** A pipeline inside a submission: an object, or text in YAML. */
function* checkSubmittedPipeline(document: SourceDocument, value: unknown, errors: FieldError[]): SlicedWork<CheckedPipeline | null> {
	try {
		if (typeof value === "string") {
			const inner = yield* parsingSource(value);
			return { pipeline: yield* checkPipeline(inner, inner.value, []), document: inner, at: [] };
		}
		return { pipeline: yield* checkPipeline(document, value, ["pipeline"]), document, at: ["pipeline"] };
	} catch (error) {
		if (!(error instanceof ApiError) || !Array.isArray(error.details.errors) || error.code !== "validation_failed") throw error;
		errors.push(...(error.details.errors as FieldError[]));
		return null;
	}
}

function shorthand(document: SourceDocument, run: unknown, errors: FieldError[]): CheckedPipeline | null {
	const parsed = pipelineOfSteps.safeParse({ steps: [run] });
	if (parsed.success && typeof run === "string") return { pipeline: { ...parsed.data, name: firstWords(run) }, document, at: ["run"] };
	errors.push(fault(document, ["run"], `expected the text of a command, got ${kindOf(run)}`, 'for example {"run": "make test"}'));
	return null;
}

function firstWords(command: string): string {
	const line = command.trim().split(/\r?\n/, 1)[0] ?? "";
	return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** @throws ApiError `validation_failed` with every fault of the pipeline. */
function* checkPipeline(document: SourceDocument, value: unknown, at: string[]): SlicedWork<PipelineOfJobs | PipelineOfSteps> {
	if (!isMap(value)) throw invalid([fault(document, at, `expected a pipeline, got ${kindOf(value)}`, null)]);
	if ("jobs" in value && "steps" in value) {
		throw invalid([
			fault(document, [...at, "steps"], "steps and jobs exclude each other at the top", "move the steps into a job", { atKey: true }),
		]);
	}
	if (!("jobs" in value) && !("steps" in value)) {
		const keys: FieldError[] = [];
		for (const key of Object.keys(value).slice(0, MAX_FOUND_FAULTS)) {
			const found = unknownKey(document, at, key, PIPELINE_KEYS);
			yield UNITS_OF_FAULT;
			if (found) keys.push(found);
		}
		throw invalid([...keys, fault(document, at, "a pipeline needs steps or jobs", "start with: steps: [make test]")]);
	}
	const read = yield* readPipeline(value);
	const errors = yield* faultsOf(document, read.issues, at);
	if ("jobs" in value && isMap(value.jobs)) errors.push(...(yield* checkJobs(document, value.jobs, at)));
	const pipeline = read.pipeline && errors.length === 0 ? read.pipeline : soundPart(value, read, errors, at);
	for (const { path, at: character, message, suggestion } of pipeline ? yield* checkWhole(pipeline) : []) {
		errors.push(fault(document, [...at, ...path], message, suggestion, { character }));
		yield UNITS_OF_FAULT;
	}
	if (errors.length > 0 || !read.pipeline) throw invalid(errors);
	return read.pipeline;
}

/**
 * A pipeline without the jobs that have faults, and without those that speak of them: what is left can be seen as a whole. Null if something else than jobs
 * is at fault.
 */
function soundPart(
	pipeline: Record<string, unknown>,
	{ sound }: ReadPipeline,
	errors: readonly FieldError[],
	at: string[],
): PipelineOfJobs | null {
	const places = errors.map(({ path }) => path.split(".").slice(at.length));
	const isOfJob = ([first, key]: string[]) => first === "jobs" && key !== undefined;
	const isKnown = (key: string) => Object.hasOwn(pipelineOfJobs.shape, key);
	if (!isMap(pipeline.jobs) || places.some((place) => !isOfJob(place) && isKnown(place[0] ?? ""))) return null;
	const speakers = Map.groupBy(
		Object.entries(pipeline.jobs).flatMap(([key, job]) => jobsNamed(job).map((name) => ({ key, name }))),
		({ name }) => name,
	);
	const unsound = new Set(places.filter(isOfJob).map(([, key = ""]) => key));
	for (const key of Object.keys(pipeline.jobs)) if (!sound.jobs.has(key)) unsound.add(key);
	for (const one of unsound) for (const { key } of speakers.get(one) ?? []) unsound.add(key);
	const jobs = [...sound.jobs].filter(([key]) => JOB_KEY.test(key) && !unsound.has(key));
	// What stands beside the jobs may have keys that nobody knows, and is seen without them.
	const head = sound.head ?? headOf(pipeline);
	return head && { ...head, jobs: Object.fromEntries(jobs) };
}

/** What stands beside the jobs, without the keys that nobody knows. */
function headOf(pipeline: Record<string, unknown>): Omit<PipelineOfJobs, "jobs"> | null {
	const known = Object.entries(pipeline).filter(([key]) => Object.hasOwn(pipelineOfJobs.shape, key) && key !== "jobs");
	return pipelineOfJobs.safeParse({ ...Object.fromEntries(known), jobs: {} }).data ?? null;
}

function* checkJobs(document: SourceDocument, jobs: Record<string, unknown>, at: string[]): SlicedWork<FieldError[]> {
	const keys = Object.keys(jobs);
	const errors: FieldError[] = [];
	if (keys.length === 0) errors.push(fault(document, [...at, "jobs"], "at least one job is needed", null, { atKey: true }));
	if (keys.length > MAX_JOBS)
		return [fault(document, [...at, "jobs"], `at most ${MAX_JOBS} jobs; these are ${keys.length}`, null, { atKey: true })];
	for (const key of keys) {
		if (!JOB_KEY.test(key)) {
			errors.push(
				fault(
					document,
					[...at, "jobs", key],
					`${JSON.stringify(key)} is not a job id`,
					"letters, digits, dash and underscore, at most 63, not beginning with a digit",
					{ atKey: true },
				),
			);
		}
	}
	const needs = new Map(keys.map((key) => [key, needsOf(jobs[key])]));
	for (const { path, message, suggestion } of yield* checkNeeds(needs)) errors.push(fault(document, [...at, ...path], message, suggestion));
	return errors;
}

function needsOf(job: unknown): string[] {
	return isMap(job) ? namesIn(job.needs) : [];
}

/** The jobs that a job needs or fetches from, as far as it can be read. */
function jobsNamed(job: unknown): string[] {
	return isMap(job) && isMap(job.artifacts) ? [...needsOf(job), ...namesIn(job.artifacts.fetch)] : needsOf(job);
}

function namesIn(references: unknown): string[] {
	const list = Array.isArray(references) ? references : [references];
	return list.map((one) => (isMap(one) ? one.job : one)).filter((name) => typeof name === "string");
}

/** The faults of values that schemas have found. */
function* faultsOf(document: SourceDocument, issues: readonly ValueIssue[], at: string[]): SlicedWork<FieldError[]> {
	const scalars = scalarsForMaps(document, issues, at);
	const isOfScalar = (path: PropertyKey[]) =>
		scalars.size > 0 && path.some((_, index) => scalars.has(keyOf([...at, ...path.slice(0, index + 1)])));
	const faults = [...scalars.values()].map((path) => typeError(document, path, "object"));
	for (const issue of issues) {
		if (isOfScalar(issue.path)) continue;
		const room = MAX_FOUND_FAULTS - faults.length;
		if (room <= 0) break;
		const found = faultsOfIssue(document, issue, [...at, ...issue.path], room);
		faults.push(...found);
		yield found.length * UNITS_OF_FAULT;
	}
	return faults;
}

function faultsOfIssue(document: SourceDocument, issue: ValueIssue, path: PropertyKey[], room: number): FieldError[] {
	if (issue.code === "unrecognized_keys") {
		const known = issue.message.replace(KNOWN_KEYS, "").split(", ");
		return issue.keys.slice(0, room).map((key) => unknownKey(document, path, key, known) as FieldError);
	}
	if (issue.code === "invalid_value") {
		const written = valueAt(document.value, path);
		const near = typeof written === "string" ? nearest(written, issue.values.map(String)) : null;
		const known = `one of: ${issue.values.join(", ")}`;
		return [fault(document, path, `${kindOf(written)} is not known`, near ? `did you mean ${JSON.stringify(near)}?` : known)];
	}
	if (issue.code === "invalid_key") return issue.issues.map((inner) => fault(document, path, inner.message, null, { atKey: true }));
	if (issue.code === "invalid_type") return [typeError(document, path, issue.expected)];
	const suggestion: unknown = issue.code === "custom" ? issue.params?.suggestion : null;
	return [fault(document, path, sizeFault(issue) ?? issue.message, typeof suggestion === "string" ? suggestion : null)];
}

/** Too much or too little of something, where the language says nothing of its own. */
function sizeFault(issue: ValueIssue): string | null {
	if ((issue.code !== "too_small" && issue.code !== "too_big") || !/^Too (small|big)/.test(issue.message)) return null;
	const bound = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
	return issue.origin === "string" ? `${bound} characters` : bound;
}

/** Where a scalar that is kept with its source stands for a map: it is taken for one, and what is said of its parts is beside the point. */
function scalarsForMaps(document: SourceDocument, issues: readonly ValueIssue[], at: string[]): Map<string, PropertyKey[]> {
	const paths = issues.filter(({ code }) => code === "unrecognized_keys").map(({ path }) => [...at, ...path]);
	const scalars = paths.filter((path) => valueAt(document.value, path) instanceof AmbiguousScalar);
	return new Map(scalars.map((path) => [keyOf(path), path]));
}

function keyOf(path: readonly PropertyKey[]): string {
	return JSON.stringify(path);
}

const TYPE_NAMES: Record<string, string> = {
	object: "a map",
	record: "a map",
	array: "a list",
	string: "text",
	int: "a whole number",
	boolean: "true or false",
};

function typeError(document: SourceDocument, path: PropertyKey[], expected: string): FieldError {
	const value = valueAt(document.value, path);
	if (value === undefined) return fault(document, path, "is required", null);
	const isWord = value instanceof AmbiguousScalar && typeof value.value === "string";
	const message = `expected ${TYPE_NAMES[expected] ?? `a ${expected}`}, got ${kindOf(value)}`;
	return fault(document, path, message, isWord ? "a truth value is written true or false" : null);
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
		{ atKey: true },
	);
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
	let current = value;
	for (const part of path) {
		// What stands alone stands for a list of one.
		if (part === 0 && !Array.isArray(current)) continue;
		if (current === null || typeof current !== "object") return undefined;
		current = (current as Record<PropertyKey, unknown>)[part];
	}
	return current;
}

/** Where exactly: at the key rather than the value, or at one of the characters of a text. */
interface Pointer {
	atKey?: boolean;
	character?: number | null;
}

function fault(document: SourceDocument, path: PropertyKey[], message: string, suggestion: string | null, at: Pointer = {}): FieldError {
	const place = document.locate(path, at.atKey, at.character ?? null);
	return {
		path: clipped(path.map((part) => clipped(String(part))).join(".")),
		line: place?.line ?? null,
		column: place?.column ?? null,
		message: clipped(message),
		suggestion: suggestion === null ? null : clipped(suggestion),
	};
}

/** What is quoted from a text may be as long as the text. */
function clipped(text: string): string {
	return text.length > MAX_TOLD_CHARACTERS ? `${text.slice(0, MAX_TOLD_CHARACTERS - 1)}…` : text;
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
