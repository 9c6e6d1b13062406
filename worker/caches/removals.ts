import { and, desc, eq, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type CacheEntryRow, cacheRemovals } from "../../schema/database/tables.ts";
import { BUILD_TOOLS, type BuildTool } from "../../schema/wire/build_caches.ts";
import type { CachePart, RemovedCache } from "../../schema/wire/caches.ts";

/** Which caches go, in D1, and what is told of those that are gone. */

/** The variants of results of build tools, which no list shows one by one. */
export const OF_TOOLS = BUILD_TOOLS.map((tool) => `'${tool}'`).join(", ");

/** A content that nothing leads to any more: its parts may go. */
export interface RemovedObject {
	id: string;
	team: string;
	parts: readonly CachePart[];
}

/** Deletes those of these contents that nothing leads to. */
export async function deleteUnnamed(db: D1Database, ids: readonly string[]): Promise<RemovedObject[]> {
	const { results } = await db.prepare(DELETE_UNNAMED).bind(JSON.stringify(ids)).all<RawObject>();
	return results.map(withoutText);
}

/** Its value: a list of ids in JSON. */
export const DELETE_UNNAMED = `DELETE FROM cache_objects WHERE id IN (SELECT value FROM json_each(?))
	AND NOT EXISTS (SELECT 1 FROM cache_entries AS e WHERE e.object_id = cache_objects.id) RETURNING id, parts, team`;

type RawObject = Omit<RemovedObject, "parts"> & { parts: string };

function withoutText({ parts, ...object }: RawObject): RemovedObject {
	return { ...object, parts: JSON.parse(parts) as CachePart[] };
}

/**
 * Deletes contents that nothing leads to: a cache was replaced or removed while another one was saved.
 * Their parts are then without a name.
 */
export async function deleteUnnamedContents(db: D1Database): Promise<void> {
	await db
		.prepare("DELETE FROM cache_objects WHERE NOT EXISTS (SELECT 1 FROM cache_entries AS e WHERE e.object_id = cache_objects.id)")
		.run();
}

/** An entry that may be removed. */
export type RemovableCache = Pick<CacheEntryRow, "id" | "team" | "project" | "variant" | "key" | "scope" | "object_id"> & { size: number };

const COLUMNS = "e.id, e.team, e.project, e.variant, e.key, e.scope, e.object_id, o.size";
const REMOVABLE = `SELECT ${COLUMNS} FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id`;
/** The contents come first. */
const REMOVABLE_UNTRUSTED = `SELECT ${COLUMNS} FROM cache_objects AS o CROSS JOIN cache_entries AS e ON e.object_id = o.id`;

/** The caches that share a quota: of a project, or of a team. */
export interface EvictionScope {
	team: string;
	project: string | null;
}

/** Which entries may go. */
export interface Evictable {
	/** Null: of all projects. */
	of: EvictionScope | null;
	/** Whether trusted or untrusted runs have saved them. */
	isTrusted: boolean;
	/** The id of the one that stays. */
	kept: string;
}

/** The least recently used entries. */
export async function leastRecentlyUsed(db: D1Database, { of, isTrusted, kept }: Evictable, limit: number): Promise<RemovableCache[]> {
	// Untrusted ones are few, so they are found by their contents; almost every other one is trusted.
	const [from, owner] = isTrusted ? [REMOVABLE, "e"] : [REMOVABLE_UNTRUSTED, "o"];
	const ofProject = of?.project === null ? "" : `${owner}.project = ?4 AND`;
	const place = of === null ? "" : `${owner}.team = ?3 AND ${ofProject}`;
	const statement = db.prepare(`${from} WHERE ${place} o.is_trusted = ${isTrusted ? 1 : 0} AND e.id <> ?1 ORDER BY e.used_at LIMIT ?2`);
	const places = of === null ? [] : of.project === null ? [of.team] : [of.team, of.project];
	return (await statement.bind(kept, limit, ...places).all<RemovableCache>()).results;
}

/** The projects that have caches. */
export async function cachingProjects(db: D1Database): Promise<{ team: string; project: string }[]> {
	return (await db.prepare("SELECT DISTINCT team, project FROM cache_objects").all<{ team: string; project: string }>()).results;
}

/** The entries that nobody has used since. */
export async function unusedSince(db: D1Database, before: number, limit: number): Promise<RemovableCache[]> {
	return (await db.prepare(`${REMOVABLE} WHERE e.used_at < ? ORDER BY e.used_at LIMIT ?`).bind(before, limit).all<RemovableCache>())
		.results;
}

/** How many removals of a project are told. */
const MAX_REMOVALS = 100;

/**
 * Deletes entries, and every content that no entry leads to any more.
 * @param why for the list of removals, which results of build tools are not in; null if somebody asked for it
 * @returns the objects of those contents, with how many parts each has
 */
export async function removeEntries(
	db: D1Database,
	removed: readonly RemovableCache[],
	why: RemovedCache["why"] | null,
	now: number,
): Promise<RemovedObject[]> {
	if (removed.length === 0) return [];
	const objects = JSON.stringify([...new Set(removed.map(({ object_id }) => object_id))]);
	const all = JSON.stringify(removed);
	const [, , deleted] = await db.batch<RawObject>([
		db
			.prepare(
				`INSERT INTO cache_removals (id, team, project, key, scope, size, why, removed_at)
				SELECT value ->> 'id', value ->> 'team', value ->> 'project', value ->> 'key', value ->> 'scope', value ->> 'size', ?1, ?2 FROM json_each(?3)
				WHERE ?1 IS NOT NULL AND value ->> 'variant' NOT IN (${OF_TOOLS}) ON CONFLICT (id) DO NOTHING`,
			)
			.bind(why, now, all),
		// One whose content was replaced meanwhile is not the one that was to go.
		db
			.prepare("DELETE FROM cache_entries WHERE (id, object_id) IN (SELECT value ->> 'id', value ->> 'object_id' FROM json_each(?))")
			.bind(all),
		db.prepare(DELETE_UNNAMED).bind(objects),
	]);
	return (deleted?.results ?? []).map(withoutText);
}

/** What was removed of a project, newest first. */
export async function listRemovals(db: D1Database, team: string, project: string): Promise<(typeof cacheRemovals.$inferSelect)[]> {
	return drizzle(db)
		.select()
		.from(cacheRemovals)
		.where(and(eq(cacheRemovals.team, team), eq(cacheRemovals.project, project)))
		.orderBy(desc(cacheRemovals.removed_at))
		.limit(MAX_REMOVALS);
}

export async function deleteRemovalsBefore(db: D1Database, before: number): Promise<void> {
	await drizzle(db).delete(cacheRemovals).where(lt(cacheRemovals.removed_at, before));
}

/** Entries of a project. @param tool only the results of this build tool; null: all of them */
export async function entriesOfProject(
	db: D1Database,
	{ team, project, tool }: { team: string; project: string; tool: BuildTool | null },
	limit: number,
): Promise<RemovableCache[]> {
	const statement = db.prepare(`${REMOVABLE} WHERE e.team = ?1 AND e.project = ?2 AND (?3 IS NULL OR e.variant = ?3) LIMIT ?4`);
	return (await statement.bind(team, project, tool, limit).all<RemovableCache>()).results;
}

/** Those of these objects that D1 knows. */
export async function knownObjects(db: D1Database, ids: readonly string[]): Promise<Set<string>> {
	const statement = db.prepare("SELECT id FROM cache_objects WHERE id IN (SELECT value FROM json_each(?))");
	const { results } = await statement.bind(JSON.stringify(ids)).all<{ id: string }>();
	return new Set(results.map(({ id }) => id));
}
