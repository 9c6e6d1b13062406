import { and, desc, eq, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type CacheEntryRow, cacheEntries, cacheObjects, cacheRemovals } from "../../schema/database/tables.ts";
import { BUILD_TOOLS, type BuildTool } from "../../schema/wire/build_caches.ts";
import type { CachePart, RemovedCache } from "../../schema/wire/caches.ts";

/**
 * Caches in D1. An entry is what a key leads to; an object is a content, which several entries of
 * a project may share.
 */

/** An entry with what is stored of its content. */
export type StoredCache = Omit<CacheEntryRow, "object_id" | "paths" | "platform" | "labels"> & {
	object_id: string;
	content: string;
	size: number;
	unpacked_bytes: number;
	files: number;
	parts: readonly CachePart[];
};

/** The variants of results of build tools, which no list shows one by one. */
const OF_TOOLS = BUILD_TOOLS.map((tool) => `'${tool}'`).join(", ");

/** What a lookup is limited to. */
export interface CachePlace {
	team: string;
	project: string;
	/** The digest of the paths and the platform. */
	variant: string;
}

const STORED = `e.id, e.team, e.project, e.variant, e.scope, e.key, e.object_id, e.job_id, e.hits, e.created_at, e.used_at,
	o.content, o.size, o.unpacked_bytes, o.files, o.parts`;

type Raw = Omit<StoredCache, "parts"> & { parts: string };

function withParts(row: Raw): StoredCache {
	return { ...row, parts: JSON.parse(row.parts) as CachePart[] };
}

/** The entry with this very key, in the first of the scopes that has one. */
export async function findExact(
	db: D1Database,
	{ team, project, variant }: CachePlace,
	key: string,
	scopes: readonly string[],
): Promise<StoredCache | null> {
	const row = await db
		.prepare(
			`SELECT ${STORED} FROM json_each(?5) AS s
			JOIN cache_entries AS e ON e.team = ?1 AND e.project = ?2 AND e.variant = ?3 AND e.scope = s.value AND e.key = ?4
			JOIN cache_objects AS o ON o.id = e.object_id ORDER BY s.key LIMIT 1`,
		)
		.bind(team, project, variant, key, JSON.stringify(scopes))
		.first<Raw>();
	return row && withParts(row);
}

/** A text that sorts behind every text that begins with the same characters. */
const LAST = "\u{10ffff}";

/** The newest entry whose key begins so, in the first of the scopes that has one. */
export async function findByPrefix(
	db: D1Database,
	{ team, project, variant }: CachePlace,
	prefix: string,
	scopes: readonly string[],
): Promise<StoredCache | null> {
	const row = await db
		.prepare(
			`SELECT ${STORED} FROM json_each(?6) AS s
			JOIN cache_entries AS e ON e.team = ?1 AND e.project = ?2 AND e.variant = ?3 AND e.scope = s.value AND e.key >= ?4 AND e.key < ?5
			JOIN cache_objects AS o ON o.id = e.object_id ORDER BY s.key, e.created_at DESC LIMIT 1`,
		)
		.bind(team, project, variant, prefix, prefix + LAST, JSON.stringify(scopes))
		.first<Raw>();
	return row && withParts(row);
}

/** Whether a scope has an entry with this key. */
export async function hasEntry(db: D1Database, { team, project, variant }: CachePlace, scope: string, key: string): Promise<boolean> {
	const rows = await drizzle(db)
		.select({ id: cacheEntries.id })
		.from(cacheEntries)
		.where(
			and(
				eq(cacheEntries.team, team),
				eq(cacheEntries.project, project),
				eq(cacheEntries.variant, variant),
				eq(cacheEntries.scope, scope),
				eq(cacheEntries.key, key),
			),
		)
		.limit(1);
	return rows.length > 0;
}

/** Records that an entry was used. */
export async function recordUse(db: D1Database, id: string, now: number): Promise<void> {
	await drizzle(db)
		.update(cacheEntries)
		.set({ used_at: now, hits: sql`${cacheEntries.hits} + 1` })
		.where(eq(cacheEntries.id, id));
}

/** A cache whose parts are all stored. */
export interface NewCache extends CachePlace {
	id: string;
	scope: string;
	key: string;
	job_id: string;
	paths: readonly string[];
	/** Empty for a result of a build tool. */
	platform: string;
	/** The labels that its job asks for. */
	labels: readonly string[];
	/** Whether a trusted run saves it: the two kinds share no content. */
	isTrusted: boolean;
	content: string;
	size: number;
	unpacked_bytes: number;
	files: number;
	parts: readonly CachePart[];
}

/**
 * Adds a cache. Of two with the same key the first one stays; a content that is stored already is
 * not stored again.
 * @returns the entry of the key, and the object of the content
 */
export async function addCache(db: D1Database, added: NewCache, now: number): Promise<{ entryId: string; objectId: string }> {
	const { id, team, project, variant, scope, key, isTrusted, content } = added;
	const trust = isTrusted ? 1 : 0;
	const ofContent = "SELECT id FROM cache_objects WHERE team = ? AND project = ? AND is_trusted = ? AND content = ?";
	const [, , entry, object] = await db.batch<{ id: string }>([
		db
			.prepare(
				`INSERT INTO cache_objects (id, team, project, is_trusted, content, size, unpacked_bytes, files, parts, created_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (team, project, is_trusted, content) DO NOTHING`,
			)
			.bind(id, team, project, trust, content, added.size, added.unpacked_bytes, added.files, JSON.stringify(added.parts), now),
		db
			.prepare(
				`INSERT INTO cache_entries (id, team, project, variant, scope, key, object_id, job_id, paths, platform, labels, hits, created_at, used_at)
				SELECT ?, ?, ?, ?, ?, ?, id, ?, ?, ?, ?, 0, ?, ? FROM (${ofContent}) WHERE true ON CONFLICT (team, project, variant, scope, key) DO NOTHING`,
			)
			.bind(
				...[id, team, project, variant, scope, key, added.job_id],
				...[JSON.stringify(added.paths), added.platform, JSON.stringify(added.labels), now, now],
				...[team, project, trust, content],
			),
		db
			.prepare("SELECT id FROM cache_entries WHERE team = ? AND project = ? AND variant = ? AND scope = ? AND key = ?")
			.bind(team, project, variant, scope, key),
		db.prepare(ofContent).bind(team, project, trust, content),
		// Another job was first to save the key: nothing leads to this content.
		db.prepare(DELETE_UNNAMED).bind(JSON.stringify([id])),
	]);
	return { entryId: entry?.results[0]?.id ?? id, objectId: object?.results[0]?.id ?? id };
}

/**
 * Adds a cache in the place of the one with its key.
 * @returns the object that nothing leads to any more
 */
export async function replaceCache(db: D1Database, added: NewCache, now: number): Promise<RemovedObject | null> {
	const { id, team, project, variant, scope, key, isTrusted, content } = added;
	const place = [team, project, variant, scope, key];
	const [before] = await db.batch<{ id: string }>([
		db
			.prepare("SELECT object_id AS id FROM cache_entries WHERE team = ? AND project = ? AND variant = ? AND scope = ? AND key = ?")
			.bind(...place),
		db
			.prepare(
				`INSERT INTO cache_objects (id, team, project, is_trusted, content, size, unpacked_bytes, files, parts, created_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			)
			.bind(id, team, project, isTrusted ? 1 : 0, content, added.size, added.unpacked_bytes, added.files, JSON.stringify(added.parts), now),
		db
			.prepare(
				`INSERT INTO cache_entries (id, team, project, variant, scope, key, object_id, job_id, hits, created_at, used_at)
				VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1, ?7, 0, ?8, ?8) ON CONFLICT (team, project, variant, scope, key)
				DO UPDATE SET id = excluded.id, object_id = excluded.object_id, job_id = excluded.job_id, created_at = excluded.created_at, used_at = excluded.used_at`,
			)
			.bind(id, ...place, added.job_id, now),
	]);
	const former = before?.results[0]?.id ?? null;
	if (former === null) return null;
	return (await deleteUnnamed(db, [former]))[0] ?? null;
}

/** A content that nothing leads to any more: its parts may go. */
export interface RemovedObject {
	id: string;
	team: string;
	parts: readonly CachePart[];
}

async function deleteUnnamed(db: D1Database, ids: readonly string[]): Promise<RemovedObject[]> {
	const { results } = await db.prepare(DELETE_UNNAMED).bind(JSON.stringify(ids)).all<RawObject>();
	return results.map(withoutText);
}

const DELETE_UNNAMED = `DELETE FROM cache_objects WHERE id IN (SELECT value FROM json_each(?))
	AND NOT EXISTS (SELECT 1 FROM cache_entries AS e WHERE e.object_id = cache_objects.id) RETURNING id, parts, team`;

type RawObject = Omit<RemovedObject, "parts"> & { parts: string };

function withoutText({ parts, ...object }: RawObject): RemovedObject {
	return { ...object, parts: JSON.parse(parts) as CachePart[] };
}

/** The caches of a project, newest first. @param before the id of the last one of the page before */
export async function listCaches(
	db: D1Database,
	team: string,
	project: string,
	limit: number,
	before: string | null,
): Promise<StoredCache[]> {
	const { results } = await db
		.prepare(
			`SELECT ${STORED} FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id
			WHERE e.team = ?1 AND e.project = ?2 AND (?3 IS NULL OR e.id < ?3) AND e.variant NOT IN (${OF_TOOLS}) ORDER BY e.id DESC LIMIT ?4`,
		)
		.bind(team, project, before, limit)
		.all<Raw>();
	return results.map(withParts);
}

/** One cache of a project; null without it. */
export async function findCache(db: D1Database, team: string, project: string, id: string): Promise<StoredCache | null> {
	const row = await db
		.prepare(
			`SELECT ${STORED} FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id WHERE e.id = ? AND e.team = ? AND e.project = ?`,
		)
		.bind(id, team, project)
		.first<Raw>();
	return row && withParts(row);
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

/** The parts of a content; null if it is gone. */
export async function findObject(db: D1Database, id: string): Promise<{ parts: readonly CachePart[] } | null> {
	const rows = await drizzle(db).select({ parts: cacheObjects.parts }).from(cacheObjects).where(eq(cacheObjects.id, id));
	return rows[0] ?? null;
}

/** How many caches a project has, how many results of each build tool, and how many bytes they take together. */
export async function cacheTotals(
	db: D1Database,
	team: string,
	project: string,
): Promise<{ count: number; bytes: number; tools: { tool: BuildTool; results: number; bytes: number }[] }> {
	const [ofTools, rest] = await db.batch<{ tool: BuildTool; results: number; bytes: number }>([
		db
			.prepare(
				`SELECT e.variant AS tool, count(*) AS results, sum(o.size) AS bytes FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id
				WHERE e.team = ? AND e.project = ? AND e.variant IN (${OF_TOOLS}) GROUP BY e.variant ORDER BY e.variant`,
			)
			.bind(team, project),
		db
			.prepare(
				`SELECT (SELECT count(*) FROM cache_entries WHERE team = ?1 AND project = ?2 AND variant NOT IN (${OF_TOOLS})) AS results,
				(SELECT coalesce(sum(size), 0) FROM cache_objects WHERE team = ?1 AND project = ?2) AS bytes`,
			)
			.bind(team, project),
	]);
	const { results: count = 0, bytes = 0 } = rest?.results[0] ?? {};
	return { count, bytes, tools: ofTools?.results ?? [] };
}

/** How many bytes the caches of a project take. */
export async function bytesOfProject(db: D1Database, team: string, project: string): Promise<number> {
	const statement = db.prepare("SELECT coalesce(sum(size), 0) AS bytes FROM cache_objects WHERE team = ? AND project = ?");
	return (await statement.bind(team, project).first<number>("bytes")) ?? 0;
}

/** How many bytes all caches of the installation take. */
export async function bytesOfAll(db: D1Database): Promise<number> {
	return (await db.prepare("SELECT coalesce(sum(size), 0) AS bytes FROM cache_objects").first<number>("bytes")) ?? 0;
}

/** An entry that may be removed. */
export type RemovableCache = Pick<StoredCache, "id" | "team" | "project" | "variant" | "key" | "scope" | "object_id" | "size">;

const REMOVABLE = `SELECT e.id, e.team, e.project, e.variant, e.key, e.scope, e.object_id, o.size
	FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id`;

/** Which entries may go. */
export interface Evictable {
	/** Null: of all projects. */
	of: { team: string; project: string } | null;
	/** Whether trusted or untrusted runs have saved them. */
	isTrusted: boolean;
	/** The id of the one that stays. */
	kept: string;
}

/** The least recently used entries. */
export async function leastRecentlyUsed(db: D1Database, { of, isTrusted, kept }: Evictable, limit: number): Promise<RemovableCache[]> {
	const rest = "o.is_trusted = ? AND e.id <> ? ORDER BY e.used_at LIMIT ?";
	const values = [isTrusted ? 1 : 0, kept, limit];
	const statement = of
		? db.prepare(`${REMOVABLE} WHERE e.team = ? AND e.project = ? AND ${rest}`).bind(of.team, of.project, ...values)
		: db.prepare(`${REMOVABLE} WHERE ${rest}`).bind(...values);
	return (await statement.all<RemovableCache>()).results;
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

/** Which caches an agent may fetch at its start. */
export interface WarmFilter {
	team: string;
	platform: string;
	/** The labels that the agent has. */
	labels: readonly string[];
	/** The projects whose jobs it takes; none: all. */
	projects: readonly string[];
	/** Used since this time, in milliseconds since 1970. */
	since: number;
}

/** The most used caches that trusted jobs of such an agent would find. */
export async function mostUsed(
	db: D1Database,
	{ team, platform, labels, projects, since }: WarmFilter,
	limit: number,
): Promise<(StoredCache & { paths: string[] })[]> {
	const { results } = await db
		.prepare(
			`SELECT ${STORED}, e.paths FROM cache_entries AS e JOIN cache_objects AS o ON o.id = e.object_id
			WHERE e.used_at >= ?1 AND e.team = ?2 AND e.platform = ?3 AND o.is_trusted = 1
			AND NOT EXISTS (SELECT 1 FROM json_each(e.labels) WHERE value NOT IN (SELECT value FROM json_each(?4)))
			AND (?5 = '[]' OR e.project IN (SELECT value FROM json_each(?5))) ORDER BY e.hits DESC, e.used_at DESC LIMIT ?6`,
		)
		.bind(since, team, platform, JSON.stringify(labels), JSON.stringify(projects), limit)
		.all<Raw & { paths: string }>();
	return results.map(({ paths, ...row }) => ({ ...withParts(row), paths: JSON.parse(paths) as string[] }));
}
