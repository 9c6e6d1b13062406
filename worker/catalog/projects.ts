import { and, asc, eq, isNotNull, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { ulid } from "ulid";
import { type ProjectRow, projects } from "../../schema/database/tables.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";

/** The projects of teams, by name. */

export type ProjectSettings = Omit<ProjectRow, "id" | "team" | "name" | "created_at" | "updated_at">;

export async function findProject(db: D1Database, team: string, name: string): Promise<ProjectRow | null> {
	const rows = await drizzle(db)
		.select()
		.from(projects)
		.where(and(eq(projects.team, team), eq(projects.name, name)));
	return rows[0] ?? null;
}

export async function listProjects(db: D1Database, team: string): Promise<ProjectRow[]> {
	return drizzle(db).select().from(projects).where(eq(projects.team, team)).orderBy(asc(projects.name));
}

/** Those, of all teams, that keep something for a time of their own. */
export async function projectsWithTerms(db: D1Database): Promise<ProjectRow[]> {
	return drizzle(db)
		.select()
		.from(projects)
		.where(or(isNotNull(projects.keep_runs), isNotNull(projects.keep_logs), isNotNull(projects.keep_artifacts)));
}

/** @returns null if there is one of this name */
export async function addProject(db: D1Database, team: string, name: string, settings: ProjectSettings): Promise<ProjectRow | null> {
	const now = Date.now();
	const rows = await drizzle(db)
		.insert(projects)
		.values({ id: `${ID_PREFIXES.project}_${ulid()}`, team, name, ...settings, created_at: now, updated_at: now })
		.onConflictDoNothing()
		.returning();
	return rows[0] ?? null;
}

/** @returns null if there is none of this name */
export async function changeProject(
	db: D1Database,
	team: string,
	name: string,
	change: Partial<ProjectSettings>,
): Promise<ProjectRow | null> {
	const rows = await drizzle(db)
		.update(projects)
		.set({ ...change, updated_at: Date.now() })
		.where(and(eq(projects.team, team), eq(projects.name, name)))
		.returning();
	return rows[0] ?? null;
}

/** The project whose hook has this id, whatever its team. */
export async function findProjectById(db: D1Database, id: string): Promise<ProjectRow | null> {
	const [row] = await drizzle(db).select().from(projects).where(eq(projects.id, id));
	return row ?? null;
}

/** Removes a project with its secrets, deliveries and notices; its runs stay. @returns false if there was none of this name */
export async function removeProject(db: D1Database, team: string, name: string): Promise<boolean> {
	// Secrets may be kept for a project that was never made: they stay.
	const theirs = "DELETE FROM secrets WHERE team = ?1 AND project = ?2 AND EXISTS (SELECT 1 FROM projects WHERE team = ?1 AND name = ?2)";
	const [, , , removed] = await db.batch([
		db.prepare(theirs).bind(team, name),
		db.prepare("DELETE FROM deliveries WHERE team = ? AND project = ?").bind(team, name),
		db.prepare("DELETE FROM project_notices WHERE team = ? AND project = ?").bind(team, name),
		db.prepare("DELETE FROM projects WHERE team = ? AND name = ? RETURNING id").bind(team, name),
	]);
	return (removed?.results.length ?? 0) > 0;
}
