import { createTwoFilesPatch } from "diff";
import type { PipelineRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { MAX_LIST_LIMIT, MAX_PIPELINE_BYTES, MIB } from "../../schema/wire/limits.ts";
import {
	type PipelineVersion,
	pipelineChange,
	pipelineRequest,
	type StoredPipeline,
	type WholePipeline,
} from "../../schema/wire/pipelines.ts";
import type { Page } from "../../schema/wire/resources.ts";
import type { Submitted } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { readText, validated } from "../http/bodies.ts";
import { parseBoundedJson } from "../http/bounded_json.ts";
import { isNotModified } from "../http/entity_tags.ts";
import { isForm, partError, readParts, textOf } from "../http/forms.ts";
import { flagParameter, integerParameter, numberCursor, onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { answerSubmitted, idempotencyOf } from "../runs/api.ts";
import { presentPipeline, presentVersion } from "../runs/present.ts";
import {
	changePipeline,
	createPipeline,
	deletePipeline,
	readNewest,
	readVersion,
	requireVersion,
	restoreVersion,
	storedSubmission,
} from "./service.ts";
import { findPipeline, findPipelineByName, listPipelines, listVersions } from "./store.ts";

/** Pipelines that are kept here rather than in a repository. */

type Caller = RequestContext<"user">;

/** Room for a text in JSON, and what stands beside it. */
const MAX_BODY_BYTES = 2 * MAX_PIPELINE_BYTES + MIB;
/** The diff of two texts costs time that grows with what differs. */
const DIFF_MS = 100;

async function list({ url, environment, principal, baseUrl }: Caller): Promise<Response> {
	onlyParameters(url, ["project"]);
	const rows = await listPipelines(environment.DB, principal.team, url.searchParams.get("project"));
	return json({ items: rows.map((row) => presentPipeline(row, baseUrl)), next_cursor: null } satisfies Page<StoredPipeline>);
}

/** The pipeline that the path names. @throws ApiError `not_found` */
export async function requirePipeline({
	params,
	environment,
	principal,
}: Pick<Caller, "params" | "environment" | "principal">): Promise<PipelineRow> {
	const found = await findPipeline(environment.DB, principal.team, params.id ?? "");
	if (!found) throw notFound("pipeline", params.id ?? "");
	return found;
}

async function get(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const pipeline = await requirePipeline(context);
	const yaml = await readNewest(context.environment, pipeline);
	return json({ ...presentPipeline(pipeline, context.baseUrl), yaml } satisfies WholePipeline);
}

/** POST /pipelines */
async function create(context: Caller): Promise<Response> {
	const { url, request, environment, principal, baseUrl } = context;
	onlyParameters(url, []);
	const { name, project, yaml } = validated(pipelineRequest, await parseBoundedJson(await readText(request, MAX_BODY_BYTES)));
	const made = await createPipeline(environment, { team: principal.team, project, name, actor: actorOf(principal) }, yaml);
	noted(context, made);
	return json(presentPipeline(made, baseUrl), 201, { Location: `/api/v1/pipelines/${made.id}` });
}

/** POST /pipelines/upload: a form with the text as `pipeline`, `file` or `yaml`; a name that is there gets a new version. */
async function upload(context: Caller): Promise<Response> {
	const { url, request, environment, principal, baseUrl } = context;
	onlyParameters(url, []);
	if (!isForm(request)) {
		throw new ApiError("unsupported_media_type", "An upload is a form (multipart/form-data).", {
			details: { content_type: request.headers.get("Content-Type") },
			suggestions: ["curl -F file=@nightly.yml -F name=nightly …", "POST /api/v1/pipelines takes JSON."],
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
	const { url, request, environment, principal, baseUrl } = context;
	onlyParameters(url, []);
	const pipeline = await requirePipeline(context);
	const { yaml, version } = validated(pipelineChange, await parseBoundedJson(await readText(request, MAX_BODY_BYTES)));
	const changed = await changePipeline(environment, pipeline, { text: yaml, before: version, actor: actorOf(principal) });
	noted(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

async function remove(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const pipeline = await requirePipeline(context);
	await deletePipeline(context.environment, pipeline);
	log("info", "pipeline removed", { request_id: context.requestId, pipeline: pipeline.id, actor: actorOf(context.principal) });
	return new Response(null, { status: 204 });
}

/** GET /pipelines/:id/versions: newest first. */
async function versions(context: Caller): Promise<Response> {
	const { url, environment } = context;
	onlyParameters(url, ["limit", "cursor"]);
	const pipeline = await requirePipeline(context);
	const limit = integerParameter(url, "limit", { least: 1, most: MAX_LIST_LIMIT, fallback: 20 });
	const rows = await listVersions(environment.DB, pipeline.id, limit + 1, numberCursor(url));
	const shown = rows.slice(0, limit);
	const next_cursor = rows.length > limit ? String(shown.at(-1)?.number) : null;
	return json({ items: shown.map(presentVersion), next_cursor } satisfies Page<PipelineVersion>);
}

/** GET /pipelines/:id/versions/:number: the text, byte for byte. */
async function version(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
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

/** GET /pipelines/:id/versions/:number/diff: what it has changed of the one before, or of another one. */
async function diff(context: Caller): Promise<Response> {
	const { url, environment, params } = context;
	onlyParameters(url, ["against"]);
	const pipeline = await requirePipeline(context);
	const newer = await versionOf(context, pipeline, params.number ?? "");
	const against = integerParameter(url, "against", { least: 1, most: pipeline.version, fallback: Math.max(1, newer.number - 1) });
	const older = await requireVersion(environment, pipeline, against);
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
	const { url, environment, principal, params, baseUrl } = context;
	onlyParameters(url, []);
	const pipeline = await requirePipeline(context);
	const { number } = await versionOf(context, pipeline, params.number ?? "");
	const changed = await restoreVersion(environment, pipeline, number, actorOf(principal));
	noted(context, changed);
	return json(presentPipeline(changed, baseUrl));
}

/** POST /pipelines/:id/trigger: a run of the newest version; the body is a submission without a pipeline. */
async function trigger(context: Caller): Promise<Response> {
	onlyParameters(context.url, ["follow"]);
	const isFollowing = flagParameter(context.url, "follow");
	const text = await readText(context.request, MAX_PIPELINE_BYTES);
	return answerSubmitted(context, await triggerPipeline(context, text.trim() === "" ? {} : await parseBoundedJson(text)), isFollowing);
}

/** @throws ApiError `not_found`, and as a submission does */
export async function triggerPipeline(
	context: Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">,
	asked: unknown,
): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const pipeline = await requirePipeline(context);
	if (typeof asked !== "object" || asked === null || Array.isArray(asked))
		throw partError("body", "expected a map of what is to be said beside the pipeline", '{"params": {"target": "staging"}}');
	for (const key of ["pipeline", "run", "project"])
		if (key in asked) throw partError(key, "is what the pipeline is made of already", "leave it out");
	const idempotency = await idempotencyOf(context, JSON.stringify(["trigger", pipeline.id, asked]));
	const by = { kind: "api" as const, actor: actorOf(principal), idempotency };
	const submit = await storedSubmission(environment, principal.team, pipeline, asked as Record<string, unknown>, by);
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit(submit));
	log("info", "pipeline triggered", { request_id: requestId, pipeline: pipeline.id, run: answer.runId, actor: actorOf(principal) });
	return answer;
}

function noted({ requestId, principal }: Caller, { id, version }: PipelineRow): void {
	log("info", "pipeline kept", { request_id: requestId, pipeline: id, version, actor: actorOf(principal) });
}

export const storedPipelineRoutes = [
	route("GET", "/api/v1/pipelines", ["user"], list),
	route("POST", "/api/v1/pipelines", ["user"], create),
	route("POST", "/api/v1/pipelines/upload", ["user"], upload),
	route("GET", "/api/v1/pipelines/:id", ["user"], get),
	route("PUT", "/api/v1/pipelines/:id", ["user"], change),
	route("DELETE", "/api/v1/pipelines/:id", ["user"], remove),
	route("GET", "/api/v1/pipelines/:id/versions", ["user"], versions),
	route("GET", "/api/v1/pipelines/:id/versions/:number", ["user"], version),
	route("GET", "/api/v1/pipelines/:id/versions/:number/diff", ["user"], diff),
	route("POST", "/api/v1/pipelines/:id/versions/:number/restore", ["user"], restore),
	route("POST", "/api/v1/pipelines/:id/trigger", ["user"], trigger),
];
