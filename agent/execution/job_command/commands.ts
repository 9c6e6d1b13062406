import { ANNOTATION_LEVELS, MAX_ANNOTATION_CHARACTERS, MAX_ANNOTATIONS } from "../../../schema/wire/annotations.ts";
import { formatBytes } from "../../../schema/wire/bytes.ts";
import { ApiError, type FieldError } from "../../../schema/wire/errors.ts";
import { isInnerPath } from "../../../schema/wire/paths.ts";
import { uploadedPipeline } from "../../../schema/wire/protocol.ts";
import { MIN_SECRET_BYTES } from "../../../schema/wire/secrets.ts";
import { ConfinedFolder } from "../../files/confined_folder.ts";
import { JobError } from "../../outcome.ts";
import { ArtifactsFailed } from "../../results/artifacts.ts";
import { untilAnswered } from "../../transport/retry.ts";
import type { JobResources } from "../job_resources.ts";
import type { CommandResults } from "./command_results.ts";
import type { JobAnswer, JobRequest } from "./requests.ts";

/** What the `windlass` command of a job asks the agent for. */

/** A request that cannot be granted. Its message is for the person who wrote the step. */
class Denied extends Error {
	override name = "Denied";
}

/** Does what a request asks for. Never throws. */
export async function answerRequest(job: JobResources, results: CommandResults, request: JobRequest): Promise<JobAnswer> {
	try {
		return { code: 0, text: await textOf(job, results, request) };
	} catch (error) {
		if (error instanceof ApiError) return { code: 1, text: apiErrorText(error) };
		const isKnown = error instanceof Denied || error instanceof JobError || error instanceof ArtifactsFailed;
		return { code: 1, text: isKnown ? error.message : `The agent failed: ${(error as Error).message}` };
	}
}

async function textOf(job: JobResources, results: CommandResults, request: JobRequest): Promise<string> {
	switch (request.name) {
		case "mask":
			return mask(job, request);
		case "annotate":
			return annotate(job, results, request);
		case "artifact upload":
			return upload(job, results, linesOf(request.text));
		case "artifact download":
			return download(job, request);
		case "pipeline upload":
			return uploadPipeline(job, request.text);
		default:
			throw new Denied(`This agent does not know the request ${request.name.slice(0, 50)}.`);
	}
}

function mask({ masker }: JobResources, { text }: JobRequest): string {
	const value = text.replace(/\n$/, "");
	if (Buffer.byteLength(value) < MIN_SECRET_BYTES) throw new Denied(`A value of less than ${MIN_SECRET_BYTES} bytes is not hidden.`);
	masker.add(value);
	return "";
}

async function annotate({ spool, masker }: JobResources, { annotations }: CommandResults, { fields, text }: JobRequest): Promise<string> {
	const level = fields.get("level") ?? "notice";
	const known = ANNOTATION_LEVELS.find((one) => one === level);
	if (!known) throw new Denied(`The level ${level.slice(0, 50)} is none of ${ANNOTATION_LEVELS.join(", ")}.`);
	const line = fields.has("line") ? Number(fields.get("line")) : null;
	if (line !== null && !(Number.isInteger(line) && line > 0 && line <= 10_000_000))
		throw new Denied("--line must be a whole number from 1.");
	const file = fields.get("file") ?? null;
	if (line !== null && file === null) throw new Denied("--line needs --file.");
	if ((file?.length ?? 0) > 500 || (fields.get("title")?.length ?? 0) > 200)
		throw new Denied("--file has at most 500 characters, --title 200.");
	const shown = masker.text(text.trimEnd()).slice(0, MAX_ANNOTATION_CHARACTERS);
	if (shown === "") throw new Denied("The text is empty.");
	if (annotations.length >= MAX_ANNOTATIONS) throw new Denied(`An attempt has at most ${MAX_ANNOTATIONS} annotations.`);
	const title = fields.get("title");
	annotations.push({
		level: known,
		text: shown,
		title: title === undefined ? null : masker.text(title),
		file: file && masker.text(file),
		line,
	});
	await spool.writeLine(`:: ${known}: ${file === null ? "" : `${file}${line === null ? "" : `:${line}`}: `}${shown.split("\n", 1)[0]}`);
	return "";
}

async function upload(job: JobResources, results: CommandResults, patterns: readonly string[]): Promise<string> {
	const { context, workspace, executor, masker, stop } = job;
	const { findArtifacts, uploadArtifacts } = await import("../../results/artifacts.ts");
	const folder = await ConfinedFolder.open(workspace, executor.paths.workspace);
	try {
		const { found, leftOut } = await findArtifacts(folder, { save: [...patterns], entries: [], fetch: [] }, masker);
		const [first] = leftOut;
		if (first) throw new Denied(`${first.shown} cannot be saved: it ${first.why}.`);
		if (found.length === 0) throw new Denied(`No file of the workspace matches ${patterns.join(", ")}.`);
		const attempt = { id: context.assignment.attempt_id, token: context.token };
		for (const file of await uploadArtifacts({ client: context.client, attempt, signal: stop.signal }, found))
			results.artifacts.set(file.path, file);
		return found.map(({ path, size }) => `saved ${path} (${formatBytes(size)})`).join("\n");
	} finally {
		await folder.close();
	}
}

async function download({ context, workspace, stop, spool }: JobResources, { fields, text }: JobRequest): Promise<string> {
	const { fetchFiles } = await import("../../results/fetch_files.ts");
	const into = fields.get("into") ?? null;
	if (into !== null && !isInnerPath(into)) throw new Denied("--into must be a folder in the workspace: relative, without `..`.");
	const items = await fetchFiles({
		client: context.client,
		attempt: { id: context.assignment.attempt_id, token: context.token },
		asked: { job: fields.get("job") ?? "", paths: linesOf(text), into },
		workspace,
		signal: stop.signal,
		writeLine: (line) => spool.writeLine(line),
	});
	return items.map(({ path, size, job }) => `fetched ${path} (${formatBytes(size)}) of ${job}`).join("\n");
}

async function uploadPipeline({ context, stop }: JobResources, text: string): Promise<string> {
	const { assignment, client, token } = context;
	const { signal } = stop;
	const call = {
		method: "POST",
		path: `/api/v1/attempts/${assignment.attempt_id}/pipeline`,
		token,
		bytes: Buffer.from(text),
		headers: { "Content-Type": "application/yaml" },
		signal,
	} as const;
	const { jobs } = await untilAnswered(() => client.fetch(uploadedPipeline, call), signal);
	return `added ${jobs.length} ${jobs.length === 1 ? "job" : "jobs"}: ${jobs.join(", ")}`;
}

function linesOf(text: string): string[] {
	return text.split("\n").filter((line) => line !== "");
}

function apiErrorText({ message, details, suggestions }: ApiError): string {
	const errors = (details.errors as FieldError[] | undefined) ?? [];
	if (errors.length === 0) return [message, ...suggestions].join("\n");
	return errors
		.map(({ line, column, path, message: what, suggestion }) => {
			const place = line === null ? "" : `${line}:${column}: `;
			return `${place}${path ? `${path}: ` : ""}${what}${suggestion ? `\n  hint: ${suggestion}` : ""}`;
		})
		.join("\n");
}
