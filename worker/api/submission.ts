import { MultipartParseError, parseMultipartStream } from "@remix-run/multipart-parser";
import { parseSubmission, parseSubmissionForm, type Submission } from "../../schema/pipeline/parse.ts";
import type { ProjectRepository } from "../../schema/pipeline/resolve.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_SUBMITTED_SOURCE_BYTES, MIB } from "../../schema/wire/limits.ts";
import { findProject } from "../catalog/projects.ts";
import { touchSource } from "../catalog/sources.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import type { Environment } from "../environment.ts";
import { storeSource } from "../sources/store.ts";
import { checkLength, parseJson, readText, utf8, whileReading } from "./bodies.ts";

/** What POST /runs takes: a pipeline or a submission as JSON or YAML, or a form with the same names as parts. */

const PART_HEADERS_BYTES = 16 * 1024;
const MAX_PARTS = 20;

/** @throws ApiError `malformed`, `too_large`, `validation_failed` */
export async function readSubmission(request: Request, environment: Environment, team: string): Promise<Submission> {
	const type = request.headers.get("Content-Type") ?? "";
	const submission = /^multipart\/form-data\b/i.test(type)
		? await readForm(request, type, environment, team)
		: await inProject(environment, team, await plainReader(request, type));
	const { source } = submission.pipeline;
	if (source && "upload" in source && !(await touchSource(environment.DB, team, source.upload))) {
		throw new ApiError("validation_failed", `source: there is no uploaded source ${source.upload}`, {
			details: { errors: [{ path: "source.upload", line: null, column: null, message: "is not there (any more)", suggestion: null }] },
			suggestions: ["Upload it with PUT /api/v1/sources; what no submission names is kept for a day."],
		});
	}
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

async function readForm(request: Request, type: string, environment: Environment, team: string): Promise<Submission> {
	const { texts, bundle } = await readParts(request, type);
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

async function readParts(request: Request, type: string): Promise<Form> {
	checkLength(request, MAX_SUBMITTED_SOURCE_BYTES + MAX_PIPELINE_BYTES + MIB);
	const boundary = /boundary=(?:"([^"]{1,200})"|([^;\s]{1,200}))/i.exec(type);
	if (!boundary || !request.body)
		throw new ApiError("malformed", "The form has no boundary, or no body.", {
			suggestions: ["curl -F pipeline=@ci.yml … sets it by itself."],
		});
	const form: Form = { texts: new Map(), bundle: null };
	const options = {
		boundary: boundary[1] ?? boundary[2] ?? "",
		maxHeaderSize: PART_HEADERS_BYTES,
		maxFileSize: MAX_SUBMITTED_SOURCE_BYTES,
		maxParts: MAX_PARTS,
		maxTotalSize: MAX_SUBMITTED_SOURCE_BYTES + MAX_PIPELINE_BYTES,
	};
	try {
		await whileReading(async () => {
			for await (const part of parseMultipartStream(request.body as ReadableStream<Uint8Array>, options)) addPart(form, part);
		});
	} catch (error) {
		throw error instanceof MultipartParseError ? formFault(error) : error;
	}
	return form;
}

function addPart(
	form: Form,
	part: { name: string | undefined; filename: string | undefined; bytes: Uint8Array; content: Uint8Array[]; size: number },
) {
	const { name } = part;
	if (!name) throw new ApiError("malformed", "A part of the form has no name.");
	if (form.texts.has(name) || (name === "source" && form.bundle)) throw partFault(name, "is there twice", "send each part once");
	if (name === "source" && part.filename !== undefined) {
		form.bundle = part.content;
		return;
	}
	if (part.size > MAX_PIPELINE_BYTES)
		throw new ApiError("too_large", `The part ${name} is larger than ${MAX_PIPELINE_BYTES} bytes.`, {
			details: { limit: MAX_PIPELINE_BYTES },
		});
	form.texts.set(name, utf8(part.bytes, `The part ${name}`));
}

function partFault(name: string, message: string, suggestion: string): ApiError {
	return new ApiError("validation_failed", `${name}: ${message}`, {
		details: { errors: [{ path: name, line: null, column: null, message, suggestion }] },
		suggestions: [suggestion],
	});
}

function formFault(error: MultipartParseError): ApiError {
	if (/^Max(File|Total)Size/.test(error.constructor.name)) {
		return new ApiError("too_large", `A source in a form may have ${MAX_SUBMITTED_SOURCE_BYTES} bytes.`, {
			details: { limit: MAX_SUBMITTED_SOURCE_BYTES },
			suggestions: ['Upload it with PUT /api/v1/sources and name it: "source": {"upload": "src_…"}.'],
		});
	}
	return new ApiError("malformed", `The form does not parse: ${error.message}`, {
		suggestions: ["curl -F pipeline=@ci.yml -F source=@src.tar.gz …"],
	});
}
