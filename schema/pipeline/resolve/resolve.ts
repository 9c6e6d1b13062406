import { MAX_JOBS, MAX_RESOLVED_BYTES } from "../../wire/limits.ts";
import { NO_STATUS, type ParameterValue, type Scope } from "../expressions/scope.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { MAX_FOUND_ERRORS, type ValidationError } from "../validate/errors.ts";
import type { SourceText } from "../validate/source.ts";
import {
	allExpressions,
	countExpressions,
	expressionsOfMatrixJob,
	jobEntries,
	MAX_EVALUATIONS,
	type Pipeline,
} from "../validate/templates.ts";
import { matchChanges } from "./changes.ts";
import { definitionJson, jobJson } from "./definition_json.ts";
import { type ExpandedJob, type JobOverrides, JobResolver } from "./jobs.ts";
import type { ResolvedJob, ResolvedPipeline } from "./resolved.ts";
import { runFacts } from "./run_facts.ts";
import { branchOf, hasCheckoutChoice, type ProjectRepository, resolvedSource } from "./source.ts";

/**
 * From a valid pipeline to its resolved form: expressions filled in, matrices expanded, defaults
 * applied.
 */

/** The values of a submission beside the pipeline; they override those of the pipeline. */
interface Overrides extends JobOverrides {
	source: SourceText | undefined;
	priority: number | undefined;
	params: Readonly<Record<string, ParameterValue>>;
	branch: string | undefined;
	/** The paths that have changed; undefined if they are not known. */
	changed: readonly string[] | undefined;
	project: string;
	repository: ProjectRepository | null;
	/** Whether a pipeline that says how much is checked out must have a repository. */
	needsRepository: boolean;
	event: string;
	pullRequest: ResolvedPipeline["pull_request"];
	/** The commit, and the one that the changes are compared with; null if they are not known. */
	sha: string | null;
	baseSha: string | null;
	/** The target branch of the merge group that it runs for. */
	mergeTarget: string | null;
	/** The included files of other projects. */
	includes: ResolvedPipeline["includes"];
	/** Whether the submission is a command instead of a pipeline. */
	isCommand: boolean;
	/** Whether it runs for a pull request, and for the push of the same commit, too. */
	isBesidePush: boolean;
}

/** The name of a pipeline without one. */
export const DEFAULT_NAME = "pipeline";

interface Resolution {
	pipeline: ResolvedPipeline;
	errors: ValidationError[];
	/** Paths, joined with dots, at which a parameter without a value decides about matrix jobs. */
	open: ReadonlySet<string>;
	/** The length of the pipeline as JSON; above the limit the pipeline is incomplete. */
	bytes: number;
}

/**
 * The resolved form of a valid pipeline. Precedence of env: submission, job, pipeline. Texts that
 * use a parameter without a value stay as they are written, and are not checked.
 */
export function* resolvePipeline(pipeline: Pipeline, overrides: Overrides): SlicedWork<Resolution> {
	const source = resolvedSource(pipeline.source, overrides.source, overrides.repository, overrides.branch);
	const branch = overrides.branch ?? branchOf(source);
	const name = pipeline.name ?? DEFAULT_NAME;
	const { params, pullRequest: pull_request, mergeTarget: merge_target, sha, baseSha: base_sha } = overrides;
	const run = runFacts({ name, branch, source, pull_request, merge_target, sha, base_sha }, overrides.project, overrides.event);
	const changed = yield* matchChanges(allExpressions(pipeline), overrides.changed);
	const doubles = Object.entries(pipeline.params ?? {}).flatMap(([name, { type }]) => (type === "number" ? [name] : []));
	const scope: Scope = { run, params, doubles, matrix: {}, changed, needs: {}, status: NO_STATUS };
	const resolver = new JobResolver(pipeline.defaults, overrides, scope);
	const { errors } = resolver.filler;
	if (source === null && overrides.needsRepository && hasCheckoutChoice(pipeline.source)) errors.push(MISSING_REPOSITORY);
	const { jobs, bytes } = yield* resolvedJobs(pipeline, resolver);
	const group = pipeline.concurrency;
	const resolved: ResolvedPipeline = {
		name,
		is_command: overrides.isCommand,
		is_partial: false,
		is_beside_push: overrides.isBesidePush,
		source,
		branch,
		pull_request,
		sha,
		base_sha,
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
		replaces: null,
		placeholders: {},
		includes: [...overrides.includes],
		jobs,
	};
	const rest = new TextEncoder().encode(definitionJson({ ...resolved, jobs: [] })).byteLength;
	return { pipeline: resolved, errors, open: resolver.open, bytes: bytes + rest };
}

const MISSING_REPOSITORY: ValidationError = {
	path: ["source"],
	message: "`source` says how much of a repository is checked out, and names no repository.",
	suggestion: "Name one with `git`, or submit the pipeline to a project that has a repository.",
};

/** The jobs of a pipeline; incomplete where they are too large or have too many errors. */
function* resolvedJobs(pipeline: Pipeline, resolver: JobResolver): SlicedWork<{ jobs: ResolvedJob[]; bytes: number }> {
	const { errors } = resolver.filler;
	yield* resolver.begin(pipeline.env);
	const expanded: ExpandedJob[] = [];
	for (const [key, { job, path }] of jobEntries(pipeline)) expanded.push(yield* resolver.expand(key, job, path));
	const jobs: ResolvedJob[] = [];
	let bytes = 0;
	const tooLarge = yield* sizeError(pipeline, expanded);
	if (tooLarge) {
		errors.push(tooLarge);
		return { jobs, bytes };
	}
	for (const one of expanded) {
		for (const cell of one.cells) {
			const job = yield* resolver.job(one, cell);
			const size = new TextEncoder().encode(jobJson(job)).byteLength;
			bytes += size + 1;
			yield size / 50;
			// A pipeline over the limits must not be made in full.
			if (bytes > MAX_RESOLVED_BYTES || errors.length >= MAX_FOUND_ERRORS) return { jobs, bytes };
			jobs.push(job);
		}
	}
	return { jobs, bytes };
}

/** Why the jobs are too many to be resolved. */
function* sizeError(pipeline: Pipeline, expanded: readonly ExpandedJob[]): SlicedWork<ValidationError | null> {
	const jobs = expanded.reduce((sum, { cells }) => sum + cells.length, 0);
	if (jobs > MAX_JOBS) {
		const message = `A pipeline has at most ${MAX_JOBS} jobs; with all matrix jobs this one has ${jobs}.`;
		return { path: ["jobs"], message, suggestion: null };
	}
	let evaluations = 0;
	for (const { job, path, cells } of expanded) {
		const count = countExpressions(expressionsOfMatrixJob(pipeline, job, path));
		evaluations += cells.length * count;
		yield 50 + count;
	}
	if (evaluations <= MAX_EVALUATIONS) return null;
	const message = `A pipeline evaluates at most ${MAX_EVALUATIONS} expressions; with all matrix jobs this one has ${evaluations}.`;
	return { path: ["jobs"], message, suggestion: "Put an expression that several steps use into the `env` of their job." };
}

function notificationOf({ on, webhook, secret, slack }: NonNullable<Pipeline["notify"]>[number]): ResolvedPipeline["notify"][number] {
	const to = slack === undefined ? { webhook: webhook ?? "", secret: secret ?? "" } : { slack };
	return { on: on ?? ["failure", "fixed"], to };
}
