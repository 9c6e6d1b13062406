import { parseSubmission, parseSubmissionForm, type Submission } from "../../schema/pipeline/parse.ts";
import type { ProjectRepository } from "../../schema/pipeline/resolve.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_SUBMITTED_SOURCE_BYTES } from "../../schema/wire/limits.ts";
import { findProject } from "../catalog/projects.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import type { Environment } from "../environment.ts";
import { requireSource, storeSource } from "../sources/store.ts";
import { parseJson, readText } from "./bodies.ts";
import { isForm, partFault, readParts, textOf } from "./forms.ts";

/** What POST /runs takes: a pipeline or a submission as JSON or YAML, or a form with the same names as parts. */

/** @throws ApiError `malformed`, `too_large`, `validation_failed` */
export async function readSubmission(request: Request, environment: Environment, team: string): Promise<Submission> {
	const type = request.headers.get("Content-Type") ?? "";
	const submission = isForm(request)
		? await readForm(request, environment, team)
		: await inProject(environment, team, await plainReader(request, type));
	await requireSource(environment, team, submission.pipeline.source);
	return submission;
}

type Reader = (repository: ProjectRepository | null) => Submission;

/** Reads a submission once to know its project, and once more with the repository of that, where it needs one. */
async function inProject(environment: Environment, team: string, read: Reader): Promise<Submission> {
	const submission = read(null);
	const project = submission.pipeline.source === null ? await findProject(environment.DB, team, submission.project) : null;
	if (!project?.repository) return submission;
	return read({ address: project.repository, branch: project.default_branch });
}

async function plainReader(request: Request, type: string): Promise<Reader> {
	const text = await readText(request, MAX_PIPELINE_BYTES);
	if (text.trim() === "") {
		throw new ApiError("malformed", "The body is empty.", { suggestions: ['-d \'{"run": "make test"}\', or --data-binary @pipeline.yml'] });
	}
	if (/\bjson\b/i.test(type)) parseJson(text);
	return (repository) => parseSubmission(text, { repository });
}

async function readForm(request: Request, environment: Environment, team: string): Promise<Submission> {
	const { texts, bundle } = await readFormParts(request);
	// First what costs nothing to find wrong.
	const read: Reader = (repository) => parseSubmissionForm(texts, { repository });
	if (!bundle) return inProject(environment, team, read);
	const submission = read(null);
	if (texts.has("source")) throw partFault("source", "is there twice: as a file and as text", "keep one of them");
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
	/** The archive of a part `source` that is a file. */
	bundle: Uint8Array[] | null;
}

async function readFormParts(request: Request): Promise<Form> {
	const form: Form = { texts: new Map(), bundle: null };
	const limits = { part: MAX_SUBMITTED_SOURCE_BYTES, total: MAX_SUBMITTED_SOURCE_BYTES + MAX_PIPELINE_BYTES, tooLarge: sourceTooLarge };
	await readParts(request, limits, (part) => {
		const { name } = part;
		if (form.texts.has(name) || (name === "source" && form.bundle)) throw partFault(name, "is there twice", "send each part once");
		if (name === "source" && part.filename !== undefined) form.bundle = part.content;
		else form.texts.set(name, textOf(part, MAX_PIPELINE_BYTES));
	});
	return form;
}

function sourceTooLarge(): ApiError {
	return new ApiError("too_large", `A source in a form may have ${MAX_SUBMITTED_SOURCE_BYTES} bytes.`, {
		details: { limit: MAX_SUBMITTED_SOURCE_BYTES },
		suggestions: ['Upload it with PUT /api/v1/sources and name it: "source": {"upload": "src_…"}.'],
	});
}
