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
import { assertMayIn } from "../identity/project_scope.ts";
import { log } from "../platform/logger.ts";
import { answerSubmitted } from "../runs/service.ts";
import { presentPipeline, presentVersion } from "./present.ts";
import { requirePipeline, triggerPipeline } from "./service.ts";
import { findPipelineByName, listPipelines, listVersions } from "./store.ts";
import {
	changePipeline,
	createPipeline,
	deletePipeline,
	pipelineTooLarge,
	readNewest,
	readVersion,
	requireVersion,
	restoreVersion,
} from "./versions.ts";

type Caller = RequestContext<"user">;

/** A pipeline text with JSON escapes, and the fields beside it. */
const MAX_BODY_BYTES = 2 * MAX_PIPELINE_BYTES + MIB;
/** The time of a diff grows with the number of differences. */
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
	assertMayIn(principal, project, "pipelines.change");
	const created = await createPipeline(environment, { team: principal.team, project, name, actor: actorOf(principal) }, yaml);
	logStored(context, created);
	return json(presentPipeline(created, baseUrl), 201, { Location: `/api/v1/pipelines/${created.id}` });
}

/**
 * POST /pipelines/upload: a form with the text as `pipeline`, `file` or `yaml`. An existing name
 * gets a new version.
 */
async function upload(context: Caller): Promise<Response> {
	const { request, environment, principal, baseUrl } = context;
	if (!isForm(request)) {
		throw new ApiError("unsupported_media_type", "The Content-Type of an upload must be multipart/form-data.", {
			details: { content_type: request.headers.get("Content-Type") },
			suggestions: ["Run: windlass pipelines push nightly.yml", "A client sends the text of the pipeline as the part `file`."],
		});
	}
	const { yaml, filename, ...fields } = await readUpload(request);
	const named = fields.name ?? filename?.replace(/^.*\//, "").replace(/\.ya?ml$/i, "");
	const { name, project } = validated(pipelineRequest, { ...fields, name: named, yaml });
	assertMayIn(principal, project, "pipelines.change");
	const existing = await findPipelineByName(environment.DB, principal.team, project, name);
	const actor = actorOf(principal);
	if (!existing) {
		const created = await createPipeline(environment, { team: principal.team, project, name, actor }, yaml);
		logStored(context, created);
		return json(presentPipeline(created, baseUrl), 201, { Location: `/api/v1/pipelines/${created.id}` });
	}
	// An unchanged text adds no version.
	if ((await readNewest(environment, existing)) === yaml) return json(presentPipeline(existing, baseUrl));
	const changed = await changePipeline(environment, existing, { text: yaml, before: existing.version, actor });
	logStored(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

const TEXT_PARTS: ReadonlySet<string> = new Set(["pipeline", "file", "yaml"]);

async function readUpload(request: Request): Promise<{ yaml: string; filename: string | undefined; name?: string; project?: string }> {
	const fields: Record<string, string> = {};
	let text: { yaml: string; filename: string | undefined } | null = null;
	await readParts(request, { part: MAX_PIPELINE_BYTES, total: MAX_PIPELINE_BYTES + MIB, tooLarge: pipelineTooLarge }, (part) => {
		if (TEXT_PARTS.has(part.name)) {
			if (text) throw partError(part.name, "the text is sent twice", "send only one of pipeline, file and yaml");
			text = { yaml: textOf(part, MAX_PIPELINE_BYTES), filename: part.filename };
		} else fields[part.name] = textOf(part, MIB);
	});
	if (text === null) throw partError("file", "is required", "with curl: -F file=@nightly.yml");
	return { ...fields, ...(text as { yaml: string; filename: string | undefined }) };
}

/** PUT /pipelines/:id: adds a version after the given one. */
async function change(context: Caller): Promise<Response> {
	const { request, environment, principal, baseUrl } = context;
	const pipeline = await requirePipeline(context);
	const { yaml, version } = validated(pipelineChange, await parseBoundedJson(await readText(request, MAX_BODY_BYTES)));
	const changed = await changePipeline(environment, pipeline, { text: yaml, before: version, actor: actorOf(principal) });
	logStored(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

async function remove(context: Caller): Promise<Response> {
	const pipeline = await requirePipeline(context);
	const { name, project } = pipeline;
	Object.assign(context.noted, { name, project });
	await deletePipeline(context.environment, pipeline);
	log("info", "pipeline deleted", { request_id: context.requestId, pipeline: pipeline.id, actor: actorOf(context.principal) });
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

const DIFF = { against: integer("the version to compare with; default: the previous one", { least: 1, most: Number.MAX_SAFE_INTEGER }) };

/** GET /pipelines/:id/versions/:number/diff: the changes since the previous or another version. */
async function diff(context: Caller & Queried<typeof DIFF>): Promise<Response> {
	const { query, environment, params } = context;
	const pipeline = await requirePipeline(context);
	const newer = await versionOf(context, pipeline, params.number ?? "");
	const older = await requireVersion(environment, pipeline, query.against ?? Math.max(1, newer.number - 1));
	const [before, after] = await Promise.all([readVersion(environment, older), readVersion(environment, newer)]);
	const name = (number: number) => `${pipeline.name}@${number}`;
	const patch = createTwoFilesPatch(name(older.number), name(newer.number), before, after, "", "", { timeout: DIFF_MS, context: 3 });
	if (patch === undefined)
		throw new ApiError("too_large", "The two versions differ too much for a comparison here.", {
			suggestions: ["Download both versions and compare them with diff."],
		});
	return new Response(patch.replace(/^=+\n/, ""), {
		headers: { "Content-Type": "text/x-diff; charset=utf-8", "Cache-Control": "no-store" },
	});
}

async function versionOf({ environment }: Caller, pipeline: PipelineRow, number: string) {
	if (!/^\d{1,9}$/.test(number)) throw notFound("version", number);
	return requireVersion(environment, pipeline, Number(number));
}

/** POST /pipelines/:id/versions/:number/restore: adds a version with the text of this one. */
async function restore(context: Caller): Promise<Response> {
	const { environment, principal, params, baseUrl } = context;
	const pipeline = await requirePipeline(context);
	const { number } = await versionOf(context, pipeline, params.number ?? "");
	const changed = await restoreVersion(environment, pipeline, number, actorOf(principal));
	logStored(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

const TRIGGER = { follow: flag("1: stream the logs, and ::exit N as the last line") };

/**
 * POST /pipelines/:id/trigger: starts the newest version; the body is a submission without a
 * pipeline.
 */
async function trigger(context: Caller & Queried<typeof TRIGGER>): Promise<Response> {
	const text = await readText(context.request, MAX_PIPELINE_BYTES);
	return answerSubmitted(
		context,
		await triggerPipeline(context, text.trim() === "" ? {} : await parseBoundedJson(text)),
		context.query.follow,
	);
}

function logStored({ requestId, principal, noted }: Caller, { id, name, project, version }: PipelineRow): void {
	Object.assign(noted, { pipeline: id, name, project, version: String(version) });
	log("info", "pipeline stored", { request_id: requestId, pipeline: id, version, actor: actorOf(principal) });
}

export const storedPipelineRoutes = [
	route({
		method: "GET",
		path: "/api/v1/pipelines",
		allow: ["user"],
		action: "read",
		description: { summary: "The stored pipelines, by project and name", answers: { 200: listOf(pipelines.storedPipeline) } },
		query: { project: text("only those of this project") },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines",
		allow: ["user"],
		action: "pipelines.change",
		scope: "body",
		description: { summary: "Store a pipeline", answers: { 201: pipelines.storedPipeline } },
		body: pipelines.pipelineRequest,
		handle: create,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/upload",
		allow: ["user"],
		action: "pipelines.change",
		scope: "body",
		description: {
			summary: "Store a pipeline or a new version of it from a form",
			content: { "multipart/form-data": "the text as pipeline, file or yaml; name (default: the name of the file) and project" },
			answers: { 200: pipelines.storedPipeline, 201: pipelines.storedPipeline },
		},
		handle: upload,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		action: "read",
		description: { summary: "A pipeline with its text", answers: { 200: pipelines.wholePipeline } },
		handle: get,
	}),
	route({
		method: "PUT",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		action: "pipelines.change",
		description: {
			summary: "Add a version after the given one; 409 if there is a newer version",
			answers: { 200: pipelines.storedPipeline },
		},
		body: pipelines.pipelineChange,
		handle: change,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/pipelines/:id",
		allow: ["user"],
		action: "pipelines.change",
		description: { summary: "Delete a pipeline and its versions; its runs stay", answers: { 204: null } },
		handle: remove,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id/versions",
		allow: ["user"],
		action: "read",
		description: { summary: "The versions of a pipeline, newest first", answers: { 200: listOf(pipelines.pipelineVersion) } },
		query: VERSIONS,
		handle: versions,
	}),
	route({
		method: "GET",
		path: "/api/v1/pipelines/:id/versions/:number",
		allow: ["user"],
		action: "read",
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
		action: "read",
		description: { summary: "The changes of a version", answers: { 200: "text/x-diff" } },
		query: DIFF,
		handle: diff,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/:id/versions/:number/restore",
		allow: ["user"],
		action: "pipelines.change",
		description: { summary: "Add a version with the text of this one", answers: { 200: pipelines.storedPipeline } },
		handle: restore,
	}),
	route({
		method: "POST",
		path: "/api/v1/pipelines/:id/trigger",
		allow: ["user"],
		action: "runs.submit",
		description: {
			summary: "Run the newest version",
			headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
			content: {
				"application/json":
					"the fields of a submission beside its pipeline: {params, env, source, branch, changed, runs_on, container, priority}",
			},
			answers: { 201: resources.submittedRun, 200: "text/plain" },
		},
		query: TRIGGER,
		handle: trigger,
	}),
];
