import { notFound } from "../../schema/wire/errors.ts";
import { ADHOC_PROJECT } from "../../schema/wire/projects.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { log } from "../platform/logger.ts";
import { requireProject } from "../record/require.ts";
import { removeCaches } from "./objects.ts";
import { findCache, type StoredCache } from "./store.ts";

type Caller = RequestContext<"user">;

/**
 * The project of the path, also that of runs without a project.
 * @throws ApiError `not_found`
 */
export async function requireCachingProject(context: Pick<Caller, "environment" | "params" | "principal">): Promise<string> {
	return context.params.name === ADHOC_PROJECT ? ADHOC_PROJECT : (await requireProject(context)).name;
}

/** The cache of the path. @throws ApiError `not_found` */
export async function requireCache(context: Pick<Caller, "environment" | "params" | "principal">): Promise<StoredCache> {
	const project = await requireCachingProject(context);
	const cache = await findCache(context.environment.DB, context.principal.team, project, context.params.cache ?? "");
	if (!cache) throw notFound("cache", context.params.cache ?? "");
	return cache;
}

/** Removes the cache of the path. @throws ApiError `not_found` */
export async function removeCache(context: Caller): Promise<void> {
	const cache = await requireCache(context);
	await removeCaches(context.environment, [cache], null);
	const { id, project, key } = cache;
	log("info", "cache deleted", { request_id: context.requestId, actor: actorOf(context.principal), cache: id, project, key });
}
