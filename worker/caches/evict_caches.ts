import { parseBytes } from "../../schema/wire/bytes.ts";
import type { Environment } from "../bindings.ts";
import { log } from "../platform/logger.ts";
import { readCacheLimits } from "../platform/settings.ts";
import { timedCache } from "../platform/timed_cache.ts";
import { findTrustedProject } from "../record/projects.ts";
import { removeCaches } from "./objects.ts";
import { bytesOfAll, bytesOfProject, deleteRemovalsBefore, leastRecentlyUsed, type RemovableCache, unusedSince } from "./store.ts";

/** Removes caches that take too much room, the least recently used ones first, and unused ones. */

const SLICE = 50;
/** How long a removal is told. */
const TOLD_MS = 30 * 24 * 60 * 60_000;

/**
 * Keeps the caches of a project, and of the installation, within their quotas.
 * @param kept the id of the newest one, which goes last
 */
export async function makeRoom(environment: Environment, of: { team: string; project: string }, kept: string): Promise<void> {
	const { DB } = environment;
	const { totalBytes } = readCacheLimits(environment);
	const quota = await quotaOf(environment, of.team, of.project);
	await evict(environment, "quota", kept, of, async () => (await bytesOfProject(DB, of.team, of.project)) - quota);
	await evict(environment, "installation_quota", kept, null, async () => (await bytesOfAll(DB)) - totalBytes);
}

/** How often the room of a project is looked at while a build stores thousands of results. */
const ROOM_MS = 20_000;
const lookedAt = timedCache<true>(1_000, ROOM_MS);

/** The same, at most every twenty seconds for each project. */
export async function makeRoomSometimes(environment: Environment, of: { team: string; project: string }, kept: string): Promise<void> {
	const key = `${of.team} ${of.project}`;
	if (lookedAt.has(key)) return;
	lookedAt.set(key, true);
	await makeRoom(environment, of, kept);
}

/** How many bytes the caches of a project may take. */
export async function quotaOf(environment: Environment, team: string, project: string): Promise<number> {
	const own = (await findTrustedProject(environment.DB, team, project))?.cache_quota ?? null;
	return (own === null ? null : parseBytes(own)) ?? readCacheLimits(environment).projectBytes;
}

async function evict(
	environment: Environment,
	why: "quota" | "installation_quota",
	kept: string,
	of: { team: string; project: string } | null,
	excess: () => Promise<number>,
): Promise<void> {
	for (let left = await excess(); left > 0; left = await excess()) {
		const oldest = await leastRecentlyUsed(environment.DB, of, SLICE);
		const others = oldest.filter(({ id }) => id !== kept);
		const removed = enough(others.length > 0 ? others : oldest, left);
		if (removed.length === 0) return;
		await removeCaches(environment, removed, why);
		log("info", "caches removed to make room", { why, caches: removed.length, ...(of ?? {}) });
	}
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

/** Removes the caches that nobody has used for long. @returns how many */
export async function removeUnused(environment: Environment, now: number): Promise<number> {
	const { keepMs } = readCacheLimits(environment);
	await deleteRemovalsBefore(environment.DB, now - TOLD_MS);
	for (let total = 0; ; ) {
		const unused = await unusedSince(environment.DB, now - keepMs, SLICE);
		if (unused.length === 0) return total;
		await removeCaches(environment, unused, "unused");
		total += unused.length;
	}
}
