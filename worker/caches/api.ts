import { BUILD_TOOLS } from "../../schema/wire/build_caches.ts";
import * as wire from "../../schema/wire/caches.ts";
import { notFound } from "../../schema/wire/errors.ts";
import { json } from "../http/answers.ts";
import { listOf, pageOf } from "../http/pages.ts";
import { idCursor, limit } from "../http/parameters.ts";
import { actorOf, type Queried, type RequestContext, route } from "../http/route.ts";
import { log } from "../platform/logger.ts";
import { presentCache } from "./present.ts";
import { removeCache, requireCache, requireCachingProject } from "./remove_cache.ts";
import { cacheUsage, removeCachesOfProject } from "./service.ts";
import { listCaches } from "./store.ts";

/** The caches of a project for people. */

type Caller = RequestContext<"user">;

const LIST = { limit: limit(), cursor: idCursor("cache") };

async function list(context: Caller & Queried<typeof LIST>): Promise<Response> {
	const { environment, principal, query } = context;
	const project = await requireCachingProject(context);
	const rows = await listCaches(environment.DB, principal.team, project, query.limit + 1, query.cursor);
	return json(pageOf(rows, query.limit, presentCache));
}

async function get(context: Caller): Promise<Response> {
	return json(presentCache(await requireCache(context)));
}

async function remove(context: Caller): Promise<Response> {
	await removeCache(context);
	return new Response(null, { status: 204 });
}

async function removeResults(context: Caller): Promise<Response> {
	const project = await requireCachingProject(context);
	const tool = BUILD_TOOLS.find((one) => one === context.params.tool);
	if (!tool) throw notFound("build tool", context.params.tool ?? "");
	await removeCachesOfProject(context.environment, context.principal.team, project, tool);
	log("info", "results of a build tool deleted", { request_id: context.requestId, actor: actorOf(context.principal), project, tool });
	return new Response(null, { status: 204 });
}

async function usage(context: Caller): Promise<Response> {
	const project = await requireCachingProject(context);
	return json(await cacheUsage(context.environment, context.principal.team, project));
}

export const cacheRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects/:name/caches",
		allow: ["user"],
		action: "read",
		description: { summary: "The caches of a project, newest first", answers: { 200: listOf(wire.cache) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/projects/:name/cache-usage",
		allow: ["user"],
		action: "read",
		description: { summary: "How much the caches of a project take, and which were removed", answers: { 200: wire.cacheUsage } },
		handle: usage,
	}),
	route({
		method: "GET",
		path: "/api/v1/projects/:name/caches/:cache",
		allow: ["user"],
		action: "read",
		description: { summary: "A cache", answers: { 200: wire.cache } },
		handle: get,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/projects/:name/caches/:cache",
		allow: ["user"],
		action: "caches.delete",
		description: { summary: "Delete a cache", answers: { 204: null } },
		handle: remove,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/projects/:name/build-caches/:tool",
		allow: ["user"],
		action: "caches.delete",
		description: { summary: "Delete the results of a build tool", answers: { 204: null } },
		handle: removeResults,
	}),
];
