import { and, asc, desc, eq, inArray, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type PipelineRow, type PipelineVersionRow, pipelines, pipelineVersions } from "../../schema/database/tables.ts";
import { prepareNamed } from "../platform/prepare_named.ts";

/** Stored pipelines and their versions. */

/** A version before it has a number. */
export type NewVersion = Pick<PipelineVersionRow, "sha256" | "size" | "key" | "actor" | "restores">;

export async function findPipeline(db: D1Database, team: string, id: string): Promise<PipelineRow | null> {
	const [row] = await drizzle(db)
		.select()
		.from(pipelines)
		.where(and(eq(pipelines.id, id), eq(pipelines.team, team)));
	return row ?? null;
}

export async function findPipelineByName(db: D1Database, team: string, project: string, name: string): Promise<PipelineRow | null> {
	const [row] = await drizzle(db)
		.select()
		.from(pipelines)
		.where(and(eq(pipelines.team, team), eq(pipelines.project, project), eq(pipelines.name, name)));
	return row ?? null;
}

/** By project and name. */
export async function listPipelines(db: D1Database, team: string, project: string | null): Promise<PipelineRow[]> {
	return drizzle(db)
		.select()
		.from(pipelines)
		.where(and(eq(pipelines.team, team), project === null ? undefined : eq(pipelines.project, project)))
		.orderBy(asc(pipelines.project), asc(pipelines.name));
}

/**
 * Adds a pipeline with its first version.
 * @returns null if the name is taken
 */
export async function addPipeline(
	db: D1Database,
	{ id, team, project, name }: Pick<PipelineRow, "id" | "team" | "project" | "name">,
	{ sha256, size, key, actor }: NewVersion,
): Promise<PipelineRow | null> {
	const now = Date.now();
	const [added] = await db.batch<PipelineRow>([
		db
			.prepare(
				`INSERT INTO pipelines (id, team, project, name, version, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
				ON CONFLICT (team, project, name) DO NOTHING RETURNING *`,
			)
			.bind(id, team, project, name, now),
		prepareNamed(
			db,
			`INSERT INTO pipeline_versions (pipeline_id, number, sha256, size, key, actor, created_at)
			SELECT id, 1, :sha256, :size, :key, :actor, :now FROM pipelines WHERE id = :id`,
			{ id, sha256, size, key, actor, now },
		),
	]);
	return added?.results[0] ?? null;
}

/**
 * Adds a version after `before`.
 * @returns null if `before` is not the newest version
 */
export async function addVersion(
	db: D1Database,
	id: string,
	before: number,
	{ sha256, size, key, actor, restores }: NewVersion,
): Promise<PipelineRow | null> {
	const now = Date.now();
	const [, changed] = await db.batch<PipelineRow>([
		prepareNamed(
			db,
			`INSERT INTO pipeline_versions (pipeline_id, number, sha256, size, key, actor, restores, created_at)
			SELECT id, version + 1, :sha256, :size, :key, :actor, :restores, :now FROM pipelines WHERE id = :id AND version = :before`,
			{ id, before, sha256, size, key, actor, restores, now },
		),
		db
			.prepare("UPDATE pipelines SET version = version + 1, updated_at = ?3 WHERE id = ?1 AND version = ?2 RETURNING *")
			.bind(id, before, now),
	]);
	return changed?.results[0] ?? null;
}

/** Versions, newest first. */
export async function listVersions(db: D1Database, id: string, limit: number, before: number | null): Promise<PipelineVersionRow[]> {
	return drizzle(db)
		.select()
		.from(pipelineVersions)
		.where(and(eq(pipelineVersions.pipeline_id, id), before === null ? undefined : lt(pipelineVersions.number, before)))
		.orderBy(desc(pipelineVersions.number))
		.limit(limit);
}

export async function findVersion(db: D1Database, id: string, number: number): Promise<PipelineVersionRow | null> {
	const [row] = await drizzle(db)
		.select()
		.from(pipelineVersions)
		.where(and(eq(pipelineVersions.pipeline_id, id), eq(pipelineVersions.number, number)));
	return row ?? null;
}

/**
 * Deletes a pipeline and its versions.
 * @returns the keys of R2 objects that are no longer used; null if the pipeline does not exist
 */
export async function deletePipelineRows(db: D1Database, id: string): Promise<string[] | null> {
	const d1 = drizzle(db);
	const [keys, , removed] = await d1.batch([
		d1.selectDistinct({ key: pipelineVersions.key }).from(pipelineVersions).where(eq(pipelineVersions.pipeline_id, id)),
		d1.delete(pipelineVersions).where(eq(pipelineVersions.pipeline_id, id)),
		d1.delete(pipelines).where(eq(pipelines.id, id)).returning({ id: pipelines.id }),
	]);
	if (removed.length === 0) return null;
	const unused: string[] = [];
	// A statement takes at most a hundred parameters.
	for (let at = 0; at < keys.length; at += 50) {
		const slice = keys.slice(at, at + 50).map(({ key }) => key);
		const still = await d1.selectDistinct({ key: pipelineVersions.key }).from(pipelineVersions).where(inArray(pipelineVersions.key, slice));
		const used = new Set(still.map(({ key }) => key));
		unused.push(...slice.filter((key) => !used.has(key)));
	}
	return unused;
}
