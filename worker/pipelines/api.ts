import { createTwoFilesPatch } from "diff";
import type { PipelineRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MIB } from "../../schema/wire/limits.ts";
import * as pipelines from "../../schema/wire/pipelines.ts";
import {
	type PipelineVersion,
	pipelineChange,
	pipelineRequest,
	type StoredPipeline,
	type WholePipeline,
} from "../../schema/wire/pipelines.ts";
import type { Page } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { readText, validated } from "../http/bodies.ts";
import { parseBoundedJson } from "../http/bounded_json.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { isForm, partError, readParts, textOf } from "../http/forms.ts";
import { listOf } from "../http/pages.ts";
import { flag, integer, limit, numberCursor, text } from "../http/parameters.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf, type Queried, route } from "../http/route.ts";
import { log } from "../platform/logger.ts";
import { answerSubmitted } from "../runs/service.ts";
import { presentPipeline, presentVersion } from "./present.ts";
import { requirePipeline, triggerPipeline } from "./service.ts";
import { findPipelineByName, listPipelines, listVersions } from "./store.ts";
import { changePipeline, createPipeline, deletePipeline, readNewest, readVersion, requireVersion, restoreVersion } from "./versions.ts";

type Caller = RequestContext<"user">;

/** Room for a text in JSON, and what stands beside it. */
const MAX_BODY_BYTES = 2 * MAX_PIPELINE_BYTES + MIB;
/** The diff of two texts costs time that grows with what differs. */
const DIFF_MS = 100;

async function list({ url, environment, principal, baseUrl }: Caller): Promise<Response> {
	const rows = await listPipelines(environment.DB, principal.team, url.searchParams.get("project"));
	return json({ items: rows.map((row) => presentPipeline(row, baseUrl)), next_cursor: null } satisfies Page<StoredPipeline>);
}

async function get(context: Caller): Promise<Response> {
	const pipeline = await requirePipeline(context);
	const yaml = await readNewest(context.environment, pipeline);
	return json({ ...presentPipeline(pipeline, context.baseUrl), yaml } satisfies WholePipeline);
}

/** POST /pipelines */
async function create(context: Caller): Promise<Response> {
	const { request, environment, principal, baseUrl } = context;
	const { name, project, yaml } = validated(pipelineRequest, await parseBoundedJson(await readText(request, MAX_BODY_BYTES)));
	const made = await createPipeline(environment, { team: principal.team, project, name, actor: actorOf(principal) }, yaml);
	noted(context, made);
	return json(presentPipeline(made, baseUrl), 201, { Location: `/api/v1/pipelines/${made.id}` });
}

/** POST /pipelines/upload: a form with the text as `pipeline`, `file` or `yaml`; a name that is there gets a new version. */
async function upload(context: Caller): Promise<Response> {
	const { request, environment, principal, baseUrl } = context;
	if (!isForm(request)) {
		throw new ApiError("unsupported_media_type", "An upload is a form (multipart/form-data).", {
			details: { content_type: request.headers.get("Content-Type") },
			suggestions: ["Use: windlass pipelines push nightly.yml", "A client sends the pipeline's text as the part `file`."],
		});
	}
	const { yaml, filename, ...fields } = await readUpload(request);
	const named = fields.name ?? filename?.replace(/^.*\//, "").replace(/\.ya?ml$/i, "");
	const { name, project } = validated(pipelineRequest, { ...fields, name: named, yaml });
	const known = await findPipelineByName(environment.DB, principal.team, project, name);
	const actor = actorOf(principal);
	if (!known) {
		const made = await createPipeline(environment, { team: principal.team, project, name, actor }, yaml);
		noted(context, made);
		return json(presentPipeline(made, baseUrl), 201, { Location: `/api/v1/pipelines/${made.id}` });
	}
	// What is there already makes no version.
	if ((await readNewest(environment, known)) === yaml) return json(presentPipeline(known, baseUrl));
	const changed = await changePipeline(environment, known, { text: yaml, before: known.version, actor });
	noted(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

const TEXT_PARTS: ReadonlySet<string> = new Set(["pipeline", "file", "yaml"]);

async function readUpload(request: Request): Promise<{ yaml: string; filename: string | undefined; name?: string; project?: string }> {
	const fields: Record<string, string> = {};
	let text: { yaml: string; filename: string | undefined } | null = null;
	const tooLarge = () =>
		new ApiError("too_large", `A pipeline may have ${MAX_PIPELINE_BYTES} bytes.`, { details: { limit: MAX_PIPELINE_BYTES } });
	await readParts(request, { part: MAX_PIPELINE_BYTES, total: MAX_PIPELINE_BYTES + MIB, tooLarge }, (part) => {
		if (TEXT_PARTS.has(part.name)) {
			if (text) throw partError(part.name, "the text is there twice", "send one of pipeline, file and yaml");
			text = { yaml: textOf(part, MAX_PIPELINE_BYTES), filename: part.filename };
		} else fields[part.name] = textOf(part, MIB);
	});
	if (text === null) throw partError("file", "is required", "-F file=@nightly.yml; pipeline and yaml mean the same");
	return { ...fields, ...(text as { yaml: string; filename: string | undefined }) };
}

/** PUT /pipelines/:id: a new version, after the one that it is a change of. */
async function change(context: Caller): Promise<Response> {
	const { request, environment, principal, baseUrl } = context;
	const pipeline = await requirePipeline(context);
	const { yaml, version } = validated(pipelineChange, await parseBoundedJson(await readText(request, MAX_BODY_BYTES)));
	const changed = await changePipeline(environment, pipeline, { text: yaml, before: version, actor: actorOf(principal) });
	noted(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

async function remove(context: Caller): Promise<Response> {
	const pipeline = await requirePipeline(context);
	await deletePipeline(context.environment, pipeline);
	log("info", "pipeline removed", { request_id: context.requestId, pipeline: pipeline.id, actor: actorOf(context.principal) });
	return new Response(null, { status: 204 });
}

const VERSIONS = { limit: limit(), cursor: numberCursor() };

/** GET /pipelines/:id/versions: newest first. */
async function versions(context: Caller & Queried<typeof VERSIONS>): Promise<Response> {
	const { query, environment } = context;
	const pipeline = await requirePipeline(context);
	const rows = await listVersions(environment.DB, pipeline.id, query.limit + 1, query.cursor);
	const shown = rows.slice(0, query.limit);
	const next_cursor = rows.length > query.limit ? String(shown.at(-1)?.number) : null;
	return json({ items: shown.map(presentVersion), next_cursor } satisfies Page<PipelineVersion>);
}

/** GET /pipelines/:id/versions/:number: the text, byte for byte. */
async function version(context: Caller): Promise<Response> {
	const found = await versionOf(context, await requirePipeline(context), context.params.number ?? "");
	const etag = `"${found.sha256}"`;
	const headers = {
		"Content-Type": "application/yaml; charset=utf-8",
		"Cache-Control": "private, max-age=31536000, immutable",
		ETag: etag,
	};
	if (isNotModified(context.request, etag)) return new Response(null, { status: 304, headers });
	return new Response(await readVersion(context.environment, found), { headers });
}

const DIFF = { against: integer("the version to compare with; the one before it", { least: 1, most: Number.MAX_SAFE_INTEGER }) };

/** GET /pipelines/:id/versions/:number/diff: what it has changed of the one before, or of another one. */
async function diff(context: Caller & Queried<typeof DIFF>): Promise<Response> {
	const { query, environment, params } = context;
	const pipeline = await requirePipeline(context);
	const newer = await versionOf(context, pipeline, params.number ?? "");
	const older = await requireVersion(environment, pipeline, query.against ?? Math.max(1, newer.number - 1));
	const [before, after] = await Promise.all([readVersion(environment, older), readVersion(environment, newer)]);
	const name = (number: number) => `${pipeline.name}@${number}`;
	const patch = createTwoFilesPatch(name(older.number), name(newer.number), before, after, "", "", { timeout: DIFF_MS, context: 3 });
	if (patch === undefined)
		throw new ApiError("too_large", "These two differ too much to be compared.", { suggestions: ["Compare them on your machine."] });
	return new Response(patch.replace(/^=+\n/, ""), {
		headers: { "Content-Type": "text/x-diff; charset=utf-8", "Cache-Control": "no-store" },
	});
}

async function versionOf({ environment }: Caller, pipeline: PipelineRow, number: string) {
	if (!/^\d{1,9}$/.test(number)) throw notFound("version", number);
	return requireVersion(environment, pipeline, Number(number));
}

/** POST /pipelines/:id/versions/:number/restore: a new version with the text of this one. */
async function restore(context: Caller): Promise<Response> {
	const { environment, principal, params, baseUrl } = context;
	const pipeline = await requirePipeline(context);
	const { number } = await versionOf(context, pipeline, params.number ?? "");
	const changed = await restoreVersion(environment, pipeline, number, actorOf(principal));
	noted(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

const TRIGGER = { follow: flag("1: answer with the logs as they are written, and ::exit N as the last line") };

/** POST /pipelines/:id/trigger: a run of the newest version; the body is a submission without a pipeline. */
async function trigger(context: Caller & Queried<typeof TRIGGER>): Promise<Response> {
	const text = await readText(context.request, MAX_PIPELINE_BYTES);
	return answerSubmitted(
		context,
		await triggerPipeline(context, text.trim() === "" ? {} : await parseBoundedJson(text)),
		context.query.follow,
	);
}

function noted({ requestId, principal }: Caller, { id, version }: PipelineRow): void {
	log("info", "pipeline kept", { request_id: requestId, pipeline: id, version, actor: actorOf(principal) });
}

export const storedPipelineRoutes = [
	route({
		method: "GET",
		path: "/api/v1/pipelines",
		allow: ["user"],
		description: { summary: "The pipelines that are kept here, by project and name", answers: { 200: listOf(pipelines.storedPipeline) } },
		query: { project: text("only those of this project") },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines",
		allow: ["user"],
		description: { summary: "Keep a pipeline", answers: { 201: pipelines.storedPipeline } },
		body: pipelines.pipelineRequest,
		handle: create,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/upload",
		allow: ["user"],
		description: {
			summary: "Keep a pipeline, or a new version of it, that comes as a form",
			content: { "multipart/form-data": "the text as pipeline, file or yaml; name (the file's, if it is not given) and project" },
			answers: { 200: pipelines.storedPipeline, 201: pipelines.storedPipeline },
		},
		handle: upload,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		description: { summary: "A pipeline with its text", answers: { 200: pipelines.wholePipeline } },
		handle: get,
	}),
	route({
		method: "PUT",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		description: {
			summary: "A new version, after the one that it is a change of; 409 if there is a newer one",
			answers: { 200: pipelines.storedPipeline },
		},
		body: pipelines.pipelineChange,
		handle: change,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		description: { summary: "Remove a pipeline with its versions; its runs stay", answers: { 204: null } },
		handle: remove,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id/versions",
		allow: ["user"],
		description: { summary: "The versions of a pipeline, newest first", answers: { 200: listOf(pipelines.pipelineVersion) } },
		query: VERSIONS,
		handle: versions,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id/versions/:number",
		allow: ["user"],
		description: {
			summary: "The text of a version, byte for byte",
			headers: { "If-None-Match": "its ETag" },
			answers: { 200: "application/yaml", 304: null },
		},
		handle: version,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id/versions/:number/diff",
		allow: ["user"],
		description: { summary: "What a version has changed", answers: { 200: "text/x-diff" } },
		query: DIFF,
		handle: diff,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/:id/versions/:number/restore",
		allow: ["user"],
		description: { summary: "A new version with the text of this one", answers: { 200: pipelines.storedPipeline } },
		handle: restore,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/:id/trigger",
		allow: ["user"],
		description: {
			summary: "Run the newest version",
			headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
			content: {
				"application/json":
					"what a submission may say beside its pipeline: {params, env, source, branch, changed, runs_on, container, priority}",
			},
			answers: { 201: resources.submittedRun, 200: "text/plain" },
		},
		query: TRIGGER,
		handle: trigger,
	}),
];
