export { cachingAttempt } from "./caching_run.ts";
export { makeRoomSometimes, removeUnused } from "./evict_caches.ts";
export { CACHE_PREFIX, objectIdIn, partKey, removeReplaced } from "./objects.ts";
export { knownObjects } from "./removals.ts";
export { bytesOfTeam, findExact, recordUse, replaceCache, type StoredCache } from "./store.ts";

import type { BuildTool } from "../../schema/wire/build_caches.ts";
import type { Cache, CacheUsage } from "../../schema/wire/caches.ts";
import type { Environment } from "../bindings.ts";
import { quotaOf } from "./evict_caches.ts";
import { removeCaches } from "./objects.ts";
import { presentCache, presentRemoval } from "./present.ts";
import { entriesOfProject, listRemovals } from "./removals.ts";
import { cacheTotals, listCaches } from "./store.ts";

const SLICE = 200;

/** Removes the caches of a project. @param tool only the results of this build tool; null: all of them */
export async function removeCachesOfProject(
	environment: Environment,
	team: string,
	project: string,
	tool: BuildTool | null = null,
): Promise<void> {
	for (;;) {
		const entries = await entriesOfProject(environment.DB, { team, project, tool }, SLICE);
		if (entries.length === 0) return;
		await removeCaches(environment, entries, null);
	}
}

/** How much the caches of a project take, and which were removed. */
export async function cacheUsage(environment: Environment, team: string, project: string): Promise<CacheUsage> {
	const [totals, quota, removed] = await Promise.all([
		cacheTotals(environment.DB, team, project),
		quotaOf(environment, team, project),
		listRemovals(environment.DB, team, project),
	]);
	return { ...totals, quota, removed: removed.map(presentRemoval) };
}

/** The newest caches of a project. */
export async function newestCaches(environment: Environment, team: string, project: string, limit: number): Promise<Cache[]> {
	return (await listCaches(environment.DB, team, project, limit, null)).map(presentCache);
}
