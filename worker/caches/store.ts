import { and, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type CacheEntryRow, cacheEntries, cacheObjects } from "../../schema/database/tables.ts";
import type { BuildTool } from "../../schema/wire/build_caches.ts";
import type { CachePart } from "../../schema/wire/caches.ts";
import { DELETE_UNNAMED, deleteUnnamed, OF_TOOLS, type RemovedObject } from "./removals.ts";

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

/** How many bytes the caches of a team take. */
export async function bytesOfTeam(db: D1Database, team: string): Promise<number> {
	const statement = db.prepare("SELECT coalesce(sum(size), 0) AS bytes FROM cache_objects WHERE team = ?");
	return (await statement.bind(team).first<number>("bytes")) ?? 0;
}

/** How many bytes all caches of the installation take. */
export async function bytesOfAll(db: D1Database): Promise<number> {
	return (await db.prepare("SELECT coalesce(sum(size), 0) AS bytes FROM cache_objects").first<number>("bytes")) ?? 0;
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
