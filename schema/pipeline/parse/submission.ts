import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_CHANGED_PATHS } from "../../wire/limits.ts";
import { ADHOC_PROJECT } from "../../wire/projects.ts";
import { type IncludedTexts, placeKey } from "../compose/include_place.ts";
import { parsingSource, type SourceDocument } from "../syntax/document.ts";
import { doneAtOnce, type SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, validationFailed } from "../validate/errors.ts";
import { pipelineOfSteps } from "../validate/language.ts";
import type { ParametersText } from "../validate/parameters.ts";
import { isMap, readPart } from "../validate/read_values.ts";
import { type SubmissionText, submission } from "../validate/submission_keys.ts";
import { valueErrors } from "../validate/value_errors.ts";
import { kindOf } from "../validate/values.ts";
import { composedPipeline } from "./composed_pipeline.ts";
import { type ResolveOptions, resolvingSubmission, type Submission, type ValidPipeline } from "./resolved_submission.ts";

/** A submission whose every value is valid. To resolve it takes the settings of its project. */
export interface CheckedSubmission {
	project: string;
	/** The parameters that its pipeline declares. */
	parameters: ParametersText;
	/** Whether the submission or its pipeline names a source. */
	hasSource: boolean;
	/** @throws ApiError `validation_failed` */
	resolving(options: ResolveOptions): SlicedWork<Submission>;
}

/**
 * Parses and validates a submission (`{"run": "make test"}`, `{"pipeline": …}`) or a bare pipeline,
 * as JSON or YAML. It is parsed once: its project can be looked up before it is resolved.
 * @throws ApiError `malformed` for a text that does not parse, `validation_failed` with all errors
 * at once.
 */
export function* checkingSubmission(text: string, included: IncludedTexts | null = null): SlicedWork<CheckedSubmission> {
	return yield* checkingDocument(yield* parsingSource(text), included);
}

/** The same of a text that is parsed. @throws ApiError `validation_failed` */
export function* checkingDocument(document: SourceDocument, included: IncludedTexts | null = null): SlicedWork<CheckedSubmission> {
	const { value } = document;
	if (!isMap(value)) {
		const message = `Expected a pipeline or a submission, got ${kindOf(value)}.`;
		throw validationFailed([errorAt(document, [], message, 'Send {"run": "make test"} or a pipeline in YAML.')]);
	}
	if (!("pipeline" in value) && !("run" in value)) {
		return checkedSubmission(yield* composedPipeline(document, value, [], included), {}, document);
	}
	return yield* checkingKeys(document, value, included);
}

/**
 * The same of a pipeline and the values given beside it.
 * @throws ApiError as `checkingSubmission` does
 */
export function* checkingPipelineWith(pipeline: string, given: Readonly<Record<string, unknown>>): SlicedWork<CheckedSubmission> {
	const document = yield* parsingSource(JSON.stringify(given));
	return yield* checkingKeys(document, { ...(document.value as object), pipeline });
}

/** Checks and resolves a submission. @throws ApiError as `checkingSubmission` does */
export function* parsingSubmission(
	text: string,
	{ included = null, ...options }: ResolveOptions & { included?: IncludedTexts | null } = {},
): SlicedWork<Submission> {
	return yield* (yield* checkingSubmission(text, included)).resolving(options);
}

/** The same without a pause. @throws ApiError as `checkingSubmission` does */
export function parseSubmission(text: string, options: ResolveOptions & { included?: IncludedTexts | null } = {}): Submission {
	return doneAtOnce(parsingSubmission(text, options));
}

/** Checks the keys of a submission. @throws ApiError `validation_failed` */
export function* checkingKeys(
	document: SourceDocument,
	value: Record<string, unknown>,
	included: IncludedTexts | null = null,
): SlicedWork<CheckedSubmission> {
	const errors: FieldError[] = [];
	const { data, issues } = yield* readPart(submission, {
		...value,
		...("pipeline" in value ? { pipeline: null } : {}),
		...withFewerPaths(value),
	});
	errors.push(...(yield* valueErrors(document, issues, [], "the submission")));
	if ("pipeline" in value && "run" in value) {
		const message = "A submission has either `pipeline` or `run`, not both.";
		errors.push(errorAt(document, ["run"], message, "Remove one of them.", { atKey: true }));
	}
	const valid =
		"pipeline" in value
			? yield* submittedPipeline(document, value.pipeline, filesOf(value) ?? included, errors)
			: submittedCommand(document, value.run, errors);
	if (errors.length > 0 || !valid) throw validationFailed(errors);
	return checkedSubmission(valid, data as SubmissionText, document);
}

/** One path over the limit is enough to reject them all. */
function withFewerPaths({ changed }: Readonly<Record<string, unknown>>): { changed?: unknown[] } {
	return Array.isArray(changed) ? { changed: changed.slice(0, MAX_CHANGED_PATHS + 1) } : {};
}

function checkedSubmission(valid: ValidPipeline, given: SubmissionText, document: SourceDocument): CheckedSubmission {
	return {
		project: given.project ?? ADHOC_PROJECT,
		parameters: valid.pipeline.params ?? {},
		hasSource: [given.source, valid.pipeline.source].some((one) => one !== undefined && ("git" in one || "upload" in one)),
		resolving: (options) => resolvingSubmission(valid, given, document, options),
	};
}

/** The files that a submission brings for its pipeline to include; null if it brings none. */
function filesOf({ files }: Readonly<Record<string, unknown>>): IncludedTexts | null {
	if (!isMap(files)) return null;
	const texts = Object.entries(files).filter((entry): entry is [string, string] => typeof entry[1] === "string");
	return new Map(texts.map(([file, text]) => [placeKey({ file, project: null, ref: null }), { text }]));
}

/** A pipeline inside a submission: an object, or text in YAML. */
function* submittedPipeline(
	document: SourceDocument,
	value: unknown,
	files: IncludedTexts | null,
	errors: FieldError[],
): SlicedWork<ValidPipeline | null> {
	try {
		if (typeof value === "string") {
			const inner = yield* parsingSource(value);
			return yield* composedPipeline(inner, inner.value, [], files);
		}
		return yield* composedPipeline(document, value, ["pipeline"], files);
	} catch (error) {
		if (!(error instanceof ApiError) || !Array.isArray(error.details.errors) || error.code !== "validation_failed") throw error;
		errors.push(...(error.details.errors as FieldError[]));
		return null;
	}
}

/** A command in the place of a pipeline: a pipeline of one step. */
function submittedCommand(document: SourceDocument, run: unknown, errors: FieldError[]): ValidPipeline | null {
	const parsed = pipelineOfSteps.safeParse({ steps: [run] });
	if (parsed.success && typeof run === "string") return { pipeline: { ...parsed.data, name: firstWords(run) }, document, at: ["run"] };
	const suggestion = 'Write the command as text: {"run": "make test"}';
	errors.push(errorAt(document, ["run"], `Expected the text of a command, got ${kindOf(run)}.`, suggestion));
	return null;
}

function firstWords(command: string): string {
	const line = command.trim().split(/\r?\n/, 1)[0] ?? "";
	return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}
