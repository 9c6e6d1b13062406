import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import {
	type CheckedSubmission,
	checkingSubmission,
	checkingSubmissionForm,
	type Submission,
} from "../../schema/pipeline/validate/parse.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_SUBMITTED_SOURCE_BYTES } from "../../schema/wire/limits.ts";
import type { Environment } from "../bindings.ts";
import { readBytes } from "../http/bodies.ts";
import { parsingJson } from "../http/bounded_json.ts";
import { isForm, partError, readParts, textOf } from "../http/forms.ts";
import { decodingText } from "../http/large_texts.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { withTurn } from "../platform/turns.ts";
import { findProject } from "../record/projects.ts";
import { requireSource, storeSource } from "../sources/service.ts";

/**
 * Reads the body of POST /runs: a pipeline or submission as JSON or YAML, or a form with these
 * names as parts.
 */

/** @throws ApiError `malformed`, `too_large`, `validation_failed`, `unavailable` */
export async function readSubmission(request: Request, environment: Environment, team: string): Promise<Submission> {
	const submission = isForm(request) ? await readForm(request, environment, team) : await readPlain(request, environment, team);
	await requireSource(environment, team, submission.pipeline.source);
	return submission;
}

/** A validated submission, and its length in characters. */
interface ReadSubmission {
	checked: CheckedSubmission;
	characters: number;
}

/** Resolves a submission. A submission without a source uses the repository of its project. */
async function inProject(environment: Environment, team: string, { checked, characters }: ReadSubmission): Promise<Submission> {
	const project = checked.hasSource ? null : await findProject(environment.DB, team, checked.project);
	const repository = project?.repository ? { address: project.repository, branch: project.default_branch } : null;
	return withTurn(checked.resolving({ repository }), characters);
}

async function readPlain(request: Request, environment: Environment, team: string): Promise<Submission> {
	const bytes = await readBytes(request, MAX_PIPELINE_BYTES);
	const isJson = /\bjson\b/i.test(request.headers.get("Content-Type") ?? "");
	const checked = await withTurn(checkingBody(bytes, isJson), bytes.byteLength);
	return inProject(environment, team, { checked, characters: bytes.byteLength });
}

function* checkingBody(bytes: Uint8Array, isJson: boolean): SlicedWork<CheckedSubmission> {
	const text = yield* decodingText(bytes);
	if (!/\S/.test(text)) {
		throw new ApiError("malformed", "The body is empty. It must be a pipeline or a submission.", {
			suggestions: ["Use: windlass run --file pipeline.yml, or windlass run -- make test."],
		});
	}
	// YAML accepts more than JSON does.
	if (isJson) yield* parsingJson(text);
	return yield* checkingSubmission(text);
}

async function readForm(request: Request, environment: Environment, team: string): Promise<Submission> {
	const { texts, bundle } = await readFormParts(request);
	// Validation is cheap and comes before the upload is stored.
	const characters = [...texts.values()].reduce((sum, { length }) => sum + length, 0);
	const checked = await withTurn(checkingSubmissionForm(texts), characters);
	if (!bundle) return inProject(environment, team, { checked, characters });
	const submission = await withTurn(checked.resolving({ repository: null }), characters);
	if (texts.has("source")) throw partError("source", "The form has this part twice: as a file and as text.", "Send only one of them.");
	unwrap(await dispatcherOf(environment, team).checkRoom());
	const size = bundle.reduce((sum, chunk) => sum + chunk.byteLength, 0);
	const { id } = await storeSource(environment, team, each(bundle), size);
	return { ...submission, pipeline: { ...submission.pipeline, source: { upload: id } } };
}

async function* each<Value>(values: readonly Value[]): AsyncGenerator<Value> {
	yield* values;
}

interface Form {
	texts: Map<string, string>;
	/** The archive, when the part `source` is a file. */
	bundle: Uint8Array[] | null;
}

async function readFormParts(request: Request): Promise<Form> {
	const form: Form = { texts: new Map(), bundle: null };
	const limits = { part: MAX_SUBMITTED_SOURCE_BYTES, total: MAX_SUBMITTED_SOURCE_BYTES + MAX_PIPELINE_BYTES, tooLarge: sourceTooLarge };
	await readParts(request, limits, (part) => {
		const { name } = part;
		if (form.texts.has(name) || (name === "source" && form.bundle))
			throw partError(name, "The form has this part twice.", "Send each part once.");
		if (name === "source" && part.filename !== undefined) form.bundle = part.content;
		else form.texts.set(name, textOf(part, MAX_PIPELINE_BYTES));
	});
	return form;
}

function sourceTooLarge(): ApiError {
	return new ApiError("too_large", `The source in the form is larger than ${MAX_SUBMITTED_SOURCE_BYTES} bytes.`, {
		details: { limit: MAX_SUBMITTED_SOURCE_BYTES },
		suggestions: ["Use windlass run: it uploads a large source before it submits the run."],
	});
}
