import { type CheckedSubmission, checkingSubmission } from "../../schema/pipeline/parse/submission.ts";
import { checkingSubmissionForm } from "../../schema/pipeline/parse/submission_form.ts";
import type { ProjectRepository } from "../../schema/pipeline/resolve/source.ts";
import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_SUBMITTED_SOURCE_BYTES } from "../../schema/wire/limits.ts";
import { ADHOC_PROJECT } from "../../schema/wire/projects.ts";
import type { Environment } from "../bindings.ts";
import { readBytes, utf8 } from "../http/bodies.ts";
import { parsingJson } from "../http/bounded_json.ts";
import { isForm, partError, readParts, textOf } from "../http/forms.ts";
import { decodingText } from "../http/large_texts.ts";
import type { Principal } from "../identity/principal.ts";
import { assertMayIn } from "../identity/project_scope.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { withTurn } from "../platform/turns.ts";
import { findTrustedProject } from "../record/projects.ts";
import { requireSource, storeSource } from "../sources/service.ts";
import { findResolved, MAX_STORED_TEXT, type ResolvedSubmission, storeResolved, withDefinition } from "./resolved_texts.ts";

/**
 * Reads the body of POST /runs: a pipeline or submission as JSON or YAML, or a form with these
 * names as parts.
 */

/** Who submits: the team, and what their token opens. */
export interface Submitter {
	environment: Environment;
	principal: Extract<Principal, { kind: "user" | "host" }>;
}

/** @throws ApiError `malformed`, `too_large`, `validation_failed`, `unavailable`; `not_found` for a project that the token does not open */
export async function readSubmission(request: Request, by: Submitter): Promise<ResolvedSubmission> {
	const submission = isForm(request) ? await readForm(request, by, true) : await readPlain(request, by);
	await requireSource(by.environment, by.principal.team, submission.pipeline.source);
	return submission;
}

/** The same of a dry run: nothing is stored, also no source of a form. @throws ApiError as `readSubmission` does */
export async function readUnstored(request: Request, by: Submitter): Promise<ResolvedSubmission> {
	return isForm(request) ? readForm(request, by, false) : readPlain(request, by);
}

async function readPlain(request: Request, by: Submitter): Promise<ResolvedSubmission> {
	const bytes = await readBytes(request, MAX_PIPELINE_BYTES);
	const isJson = /\bjson\b/i.test(request.headers.get("Content-Type") ?? "");
	if (bytes.byteLength > MAX_STORED_TEXT) {
		const checked = await withTurn(checkingBytes(bytes, isJson), bytes.byteLength);
		const repository = await repositoryFor(by, checked);
		return resolve(checked, repository, bytes.byteLength);
	}
	return resolveText(utf8(bytes, "The body"), isJson, by);
}

/**
 * The submission in a text. Recent texts are not resolved again.
 * @throws ApiError `malformed`, `validation_failed`, `unavailable`
 */
export async function resolveText(text: string, isJson: boolean, by: Submitter): Promise<ResolvedSubmission> {
	const known = findResolved(text, isJson);
	if (known) {
		const { project } = known.submission;
		const repository = await repositoryFor(by, { project, hasSource: known.repositoryOf === null });
		if (isSameRepository(repository, known.repository)) return known.submission;
	}
	const checked = await withTurn(checkingText(text, isJson), text.length);
	const repository = await repositoryFor(by, checked);
	const submission = await resolve(checked, repository, text.length);
	if (text.length <= MAX_STORED_TEXT) storeResolved(text, isJson, { submission, repositoryOf: repositoryOf(checked), repository });
	return submission;
}

/** The project whose repository is the source of a submission; null if it names a source. */
function repositoryOf({ hasSource, project }: Pick<CheckedSubmission, "hasSource" | "project">): string | null {
	return hasSource ? null : project;
}

/**
 * The repository of the project, if it is the source. Before anything else is looked up: what the
 * token does not open does not exist for it.
 */
async function repositoryFor(
	{ environment, principal }: Submitter,
	submission: Pick<CheckedSubmission, "hasSource" | "project">,
): Promise<ProjectRepository | null> {
	assertMayIn(principal, submission.project, "runs.submit");
	const name = repositoryOf(submission);
	// Nobody can create the project `adhoc`.
	if (name === null || name === ADHOC_PROJECT) return null;
	const project = await findTrustedProject(environment.DB, principal.team, name);
	return project?.repository ? { address: project.repository, branch: project.default_branch } : null;
}

function isSameRepository(one: ProjectRepository | null, other: ProjectRepository | null): boolean {
	return one?.address === other?.address && one?.branch === other?.branch;
}

async function resolve(checked: CheckedSubmission, repository: ProjectRepository | null, characters: number): Promise<ResolvedSubmission> {
	return withDefinition(await withTurn(checked.resolving({ repository }), characters));
}

function* checkingBytes(bytes: Uint8Array, isJson: boolean): SlicedWork<CheckedSubmission> {
	return yield* checkingText(yield* decodingText(bytes), isJson);
}

function* checkingText(text: string, isJson: boolean): SlicedWork<CheckedSubmission> {
	if (!/\S/.test(text)) {
		throw new ApiError("malformed", "The body is empty. It must be a pipeline or a submission.", {
			suggestions: ["Use: windlass run --file pipeline.yml, or windlass run -- make test."],
		});
	}
	// YAML accepts more than JSON does.
	if (isJson) yield* parsingJson(text);
	return yield* checkingSubmission(text);
}

async function readForm(request: Request, by: Submitter, isStored: boolean): Promise<ResolvedSubmission> {
	const { environment, principal } = by;
	const { team } = principal;
	const { texts, bundle } = await readFormParts(request);
	// Validation is cheap and comes before the upload is stored.
	const characters = [...texts.values()].reduce((sum, { length }) => sum + length, 0);
	const checked = await withTurn(checkingSubmissionForm(texts), characters);
	const repository = await repositoryFor(by, checked);
	if (!bundle) return resolve(checked, repository, characters);
	const submission = await withTurn(checked.resolving({ repository: null }), characters);
	if (texts.has("source")) throw partError("source", "The form has this part twice: as a file and as text.", "Send only one of them.");
	if (!isStored) return withDefinition(submission);
	unwrap(await dispatcherOf(environment, team).checkRoom());
	const size = bundle.reduce((sum, chunk) => sum + chunk.byteLength, 0);
	const { id } = await storeSource(environment, team, each(bundle), size);
	return withDefinition({ ...submission, pipeline: { ...submission.pipeline, source: { upload: id } } });
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
