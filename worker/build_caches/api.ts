import * as z from "zod";
import { BUILD_TOOLS, type BuildTool } from "../../schema/wire/build_caches.ts";
import { notFound } from "../../schema/wire/errors.ts";
import { json } from "../http/answers.ts";
import { assertNotEncoded } from "../http/encoded_body.ts";
import { type RequestContext, route } from "../http/route.ts";
import { BUILD_CACHES_PATH } from "./access.ts";
import { findResult, openResult, putResult } from "./results.ts";
import { properties } from "./web_dav.ts";

/**
 * The caches of build tools, as each tool asks for them. All read and write a result by its path;
 * Turborepo and sccache ask a little more.
 */

type Caller = RequestContext<"job">;

/** What Turborepo stores beside a result, and wants back with it. */
const ABOUT = ["x-artifact-tag", "x-artifact-duration"];

/** @throws ApiError `not_found` for another tool */
function toolOf({ params }: Caller): BuildTool {
	const tool = BUILD_TOOLS.find((known) => known === params.tool);
	if (!tool) throw notFound("build tool", params.tool ?? "");
	return tool;
}

async function get(context: Caller): Promise<Response> {
	const { environment, principal, params } = context;
	const tool = toolOf(context);
	const found = await findResult(environment, principal.claims, tool, params.path ?? "");
	const object = found && (await openResult(environment, found));
	if (!object) throw notFound("result", params.path ?? "");
	return new Response(object.body, {
		headers: {
			"Content-Type": "application/octet-stream",
			"Content-Length": String(object.size),
			"Cache-Control": "private, no-transform",
			...object.customMetadata,
		},
	});
}

async function put(context: Caller): Promise<Response> {
	const { environment, principal, params, request } = context;
	assertNotEncoded(request);
	const tool = toolOf(context);
	const key = params.path ?? "";
	const about = Object.fromEntries(ABOUT.flatMap((name) => (request.headers.has(name) ? [[name, request.headers.get(name) ?? ""]] : [])));
	await putResult(environment, principal.claims, { tool, key, about }, request);
	return tool === "turbo" ? json({ urls: [] }, 201) : new Response(null, { status: 201 });
}

/** A tool that finds a result damaged removes it. Another job may need it: it only goes unused for a while. */
async function remove(context: Caller): Promise<Response> {
	toolOf(context);
	return new Response(null, { status: 204 });
}

/** GET of Turborepo: whether it may use the cache. */
function turboStatus(): Response {
	return json({ status: "enabled" });
}

/** POST of Turborepo: what it has read and written. Nobody asks for it here. */
async function turboEvents({ request }: Caller): Promise<Response> {
	await request.body?.pipeTo(new WritableStream()).catch(() => undefined);
	return json({});
}

async function propertiesOf(context: Caller): Promise<Response> {
	const { environment, principal, params, url, request } = context;
	await request.body?.cancel();
	const path = params.path ?? "";
	const isFolder = url.pathname.endsWith("/");
	const found = isFolder ? null : await findResult(environment, principal.claims, "sccache", path);
	if (!isFolder && !found) throw notFound("result", path);
	const body = properties(url.pathname, found && { size: found.size, at: found.created_at });
	return new Response(body, { status: 207, headers: { "Content-Type": "application/xml; charset=utf-8" } });
}

/** Every folder is there already. */
function makeFolder(): Response {
	return new Response(null, { status: 201 });
}

const TURBO = `${BUILD_CACHES_PATH}/turbo/v8/artifacts`;
const RESULT = `${BUILD_CACHES_PATH}/:tool/:path+`;
const FILE = "application/octet-stream";

export const buildCacheRoutes = [
	route({
		method: "GET",
		path: `${TURBO}/status`,
		allow: ["job"],
		description: { summary: "Whether Turborepo may use the cache", answers: { 200: z.object({ status: z.string() }) } },
		handle: turboStatus,
	}),
	route({
		method: "POST",
		path: `${TURBO}/events`,
		allow: ["job"],
		description: {
			summary: "What Turborepo has read and written",
			content: { "application/json": "ignored" },
			answers: { 200: z.object({}) },
		},
		handle: turboEvents,
	}),
	route({
		method: "GET",
		path: RESULT,
		allow: ["job"],
		ignoresUnknown: true,
		description: { summary: "A result of a build tool, by its key", answers: { 200: FILE } },
		handle: get,
	}),
	route({
		method: "PUT",
		path: RESULT,
		allow: ["job"],
		ignoresUnknown: true,
		description: {
			summary: "Store a result of a build tool",
			headers: { "Content-Length": "required" },
			content: { [FILE]: "the result, at most 512 MiB" },
			answers: { 201: [z.object({ urls: z.array(z.string()) }), FILE] },
		},
		handle: put,
	}),
	route({
		method: "DELETE",
		path: RESULT,
		allow: ["job"],
		description: { summary: "Accepted from ccache; results are removed by their quota", answers: { 204: null } },
		handle: remove,
	}),
	...[`${BUILD_CACHES_PATH}/sccache`, `${BUILD_CACHES_PATH}/sccache/:path+`].flatMap((path) => [
		route({ method: "PROPFIND", path, allow: ["job"], handle: propertiesOf }),
		route({ method: "MKCOL", path, allow: ["job"], handle: makeFolder }),
	]),
];
