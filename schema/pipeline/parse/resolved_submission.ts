import { ApiError } from "../../wire/errors.ts";
import { MAX_RESOLVED_BYTES } from "../../wire/limits.ts";
import { ADHOC_PROJECT } from "../../wire/projects.ts";
import { API_EVENT } from "../expressions/scope.ts";
import { withChosenJobs } from "../resolve/chosen_jobs.ts";
import { checkReferences } from "../resolve/references.ts";
import { DEFAULT_NAME, resolvePipeline } from "../resolve/resolve.ts";
import type { ResolvedPipeline } from "../resolve/resolved.ts";
import type { ProjectRepository } from "../resolve/source.ts";
import type { SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, MAX_FOUND_ERRORS, UNITS_OF_ERROR, validationFailed } from "../validate/errors.ts";
import type { PipelineOfJobs, PipelineOfSteps } from "../validate/language.ts";
import { fillParameters } from "../validate/parameters.ts";
import type { SubmissionText } from "../validate/submission_keys.ts";
import { jobEntries } from "../validate/templates.ts";

/**
 * The last stage of every entry in this folder: a validated pipeline, with the values of a
 * submission, becomes a resolved one.
 */

/** The resolved pipeline of a submission, and the project that it belongs to. */
export interface Submission {
	pipeline: ResolvedPipeline;
	project: string;
}

/** A valid pipeline, and where its text is. */
export interface ValidPipeline {
	pipeline: PipelineOfJobs | PipelineOfSteps;
	document: SourceDocument;
	/** The path of the pipeline in that document. */
	at: string[];
	/** The included files of other projects. */
	includes?: ResolvedPipeline["includes"];
}

export interface ResolveOptions {
	/** Whether every required parameter must have a value. */
	isComplete?: boolean;
	/**
	 * The repository and default branch of the project: the source where neither submission nor
	 * pipeline names one.
	 */
	repository?: ProjectRepository | null;
	/**
	 * Whether a pipeline that says how much is checked out must have a repository. Default: as
	 * `isComplete`.
	 */
	needsRepository?: boolean;
	/** The event that makes the run. Default: a submission over the API. */
	event?: string;
	/** The name of a pipeline without one. */
	name?: string;
	sha?: string | null;
	baseSha?: string | null;
}

/** What only a trigger knows. */
export interface TriggerOptions extends ResolveOptions {
	pullRequest?: ResolvedPipeline["pull_request"];
	mergeTarget?: string | null;
	isBesidePush?: boolean;
}

/**
 * Resolves a valid pipeline with the values of a submission.
 * @throws ApiError `validation_failed`
 */
export function* resolvingSubmission(
	valid: ValidPipeline,
	given: SubmissionText,
	submitted: SourceDocument,
	{
		isComplete = true,
		needsRepository = isComplete,
		repository = null,
		event = API_EVENT,
		name = DEFAULT_NAME,
		pullRequest = null,
		mergeTarget = null,
		sha = null,
		baseSha = null,
		isBesidePush = false,
	}: TriggerOptions,
): SlicedWork<Submission> {
	const project = given.project ?? ADHOC_PROJECT;
	const params = yield* parametersOf(valid, given, submitted, isComplete);
	const { pipeline, errors, open, bytes } = yield* resolvePipeline(
		{ ...valid.pipeline, name: valid.pipeline.name ?? name },
		{
			env: given.env ?? {},
			source: given.source,
			runs_on: given.runs_on,
			container: given.container,
			priority: given.priority,
			params,
			branch: given.branch,
			changed: given.changed,
			project,
			repository,
			needsRepository,
			event,
			pullRequest,
			mergeTarget,
			sha,
			baseSha,
			includes: valid.includes ?? [],
			isCommand: valid.at[0] === "run",
			isBesidePush,
		},
	);
	if (bytes > MAX_RESOLVED_BYTES) {
		throw new ApiError("validation_failed", `The resolved pipeline has more than ${MAX_RESOLVED_BYTES} bytes.`, {
			details: { errors: [], limit: MAX_RESOLVED_BYTES },
			suggestions: ["Move long scripts into the repository and call them."],
		});
	}
	const paths = new Map(jobEntries(valid.pipeline).map(([key, { path }]) => [key, path]));
	const found = [...errors, ...(yield* checkReferences(pipeline.jobs, paths, open))].slice(0, MAX_FOUND_ERRORS);
	yield found.length * UNITS_OF_ERROR;
	if (found.length > 0)
		throw validationFailed(
			found.map(({ path, message, suggestion }) => errorAt(valid.document, [...valid.at, ...path], message, suggestion)),
		);
	return { pipeline: given.jobs === undefined ? pipeline : chosenFrom(pipeline, given.jobs, submitted), project };
}

/** The pipeline with the chosen jobs. @throws ApiError `validation_failed` */
function chosenFrom(pipeline: ResolvedPipeline, chosen: readonly string[], submitted: SourceDocument): ResolvedPipeline {
	const { pipeline: partial, unknown } = withChosenJobs(pipeline, chosen);
	if (unknown.length === 0) return partial;
	throw validationFailed(unknown.map(({ index, message, suggestion }) => errorAt(submitted, ["jobs", String(index)], message, suggestion)));
}

/** The values of the parameters. @throws ApiError `validation_failed` */
function* parametersOf({ pipeline }: ValidPipeline, given: SubmissionText, submitted: SourceDocument, isComplete: boolean) {
	const { values, errors } = yield* fillParameters(pipeline.params ?? {}, given.params ?? {});
	const wrong = errors.filter(({ isMissing }) => isComplete || !isMissing).slice(0, MAX_FOUND_ERRORS);
	if (wrong.length > 0)
		throw validationFailed(wrong.map(({ name, message, suggestion }) => errorAt(submitted, ["params", name], message, suggestion)));
	return values;
}
