import { parseBytes } from "../../schema/wire/bytes.ts";
import type { Environment } from "../bindings.ts";
import { log } from "../platform/logger.ts";
import { readCacheLimits } from "../platform/settings.ts";
import { quotasOfTeam } from "../platform/team_quotas.ts";
import { timedCache } from "../platform/timed_cache.ts";
import { findTrustedProject } from "../record/projects.ts";
import { removeCaches } from "./objects.ts";
import {
	cachingProjects,
	deleteRemovalsBefore,
	deleteUnnamedContents,
	type EvictionScope,
	leastRecentlyUsed,
	type RemovableCache,
	unusedSince,
} from "./removals.ts";
import { bytesOfAll, bytesOfProject, bytesOfTeam, findCache } from "./store.ts";

/** Removes caches that take too much room, the least recently used ones first, and unused ones. */

const SLICE = 50;
/** How long a removal is told. */
const TOLD_MS = 30 * 24 * 60 * 60_000;

/** A cache that was saved just now. */
export interface Saved {
	id: string;
	team: string;
	project: string;
	size: number;
	isTrusted: boolean;
}

/**
 * Keeps the caches of a project, of its team, and of the installation, within their quotas. What untrusted runs
 * have saved goes before what trusted runs have saved, and the new cache goes last.
 */
export async function makeRoom(environment: Environment, saved: Saved): Promise<void> {
	const { DB } = environment;
	const { team, project } = saved;
	const { totalBytes } = readCacheLimits(environment);
	const { cache_bytes: ofTeam } = await quotasOfTeam(environment, team);
	const quota = await quotaOf(environment, team, project);
	await evict(environment, "quota", saved, { team, project }, quota, () => bytesOfProject(DB, team, project));
	if (ofTeam !== null) await evict(environment, "team_quota", saved, { team, project: null }, ofTeam, () => bytesOfTeam(DB, team));
	await evict(environment, "installation_quota", saved, null, totalBytes, () => bytesOfAll(DB));
}

/** How often the room of a project is looked at while a build stores thousands of results. */
const ROOM_MS = 20_000;
/** It is looked at sooner after so many bytes. */
const ROOM_BYTES = 256 * 1024 * 1024;
const storedSince = timedCache<number>(1_000, ROOM_MS);

/** The same, at most every twenty seconds or 256 MiB for each project. */
export async function makeRoomSometimes(environment: Environment, saved: Saved): Promise<void> {
	const key = `${saved.team} ${saved.project}`;
	const bytes = storedSince.get(key);
	if (bytes !== undefined && bytes + saved.size < ROOM_BYTES) {
		storedSince.set(key, bytes + saved.size);
		return;
	}
	storedSince.set(key, 0);
	await makeRoom(environment, saved);
}

/** How many bytes the caches of a project may take. */
export async function quotaOf(environment: Environment, team: string, project: string): Promise<number> {
	const own = (await findTrustedProject(environment.DB, team, project))?.cache_quota ?? null;
	return (own === null ? null : parseBytes(own)) ?? readCacheLimits(environment).projectBytes;
}

async function evict(
	environment: Environment,
	why: "quota" | "team_quota" | "installation_quota",
	saved: Saved,
	of: EvictionScope | null,
	most: number,
	taken: () => Promise<number>,
): Promise<void> {
	for (let left = (await taken()) - most; left > 0; left = (await taken()) - most) {
		// A cache that has no room even when it is alone takes nothing from the others.
		const removed = saved.size > most ? await own(environment, saved) : enough(await next(environment, saved, of), left);
		if (removed.length === 0) return;
		await removeCaches(environment, removed, why);
		log("info", "caches removed to make room", { why, caches: removed.length, ...(of ?? {}) });
		if (removed.some(({ id }) => id === saved.id)) return;
	}
}

/** What goes next. */
async function next(environment: Environment, saved: Saved, of: EvictionScope | null): Promise<RemovableCache[]> {
	const oldest = (isTrusted: boolean) => leastRecentlyUsed(environment.DB, { of, isTrusted, kept: saved.id }, SLICE);
	const untrusted = await oldest(false);
	if (untrusted.length > 0) return untrusted;
	const trusted = saved.isTrusted ? await oldest(true) : [];
	return trusted.length > 0 ? trusted : own(environment, saved);
}

async function own({ DB }: Environment, { team, project, id }: Saved): Promise<RemovableCache[]> {
	const found = await findCache(DB, team, project, id);
	return found ? [found] : [];
}

/** The first of them that free so many bytes, if they share no content. */
function enough(caches: readonly RemovableCache[], bytes: number): RemovableCache[] {
	let freed = 0;
	const needed = caches.findIndex(({ size }) => {
		freed += size;
		return freed >= bytes;
	});
	return caches.slice(0, needed === -1 ? undefined : needed + 1);
}

/** Removes the caches that nobody has used for long, and those that are too many. @returns how many were unused */
export async function removeUnused(environment: Environment, now: number): Promise<number> {
	const { DB } = environment;
	const { keepMs } = readCacheLimits(environment);
	await deleteRemovalsBefore(DB, now - TOLD_MS);
	await deleteUnnamedContents(DB);
	let total = 0;
	for (;;) {
		const unused = await unusedSince(DB, now - keepMs, SLICE);
		if (unused.length === 0) break;
		await removeCaches(environment, unused, "unused");
		total += unused.length;
	}
	// A quota may have become smaller, and a build looks at the room only now and then.
	for (const of of await cachingProjects(DB)) await makeRoom(environment, { ...of, ...NONE });
	return total;
}

/** No cache was saved. */
const NONE = { id: "", size: 0, isTrusted: true };
