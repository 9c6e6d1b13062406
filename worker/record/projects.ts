import { and, asc, eq, isNotNull, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type ProjectRow, projects } from "../../schema/database/tables.ts";
import type { CheckoutChoice } from "../../schema/wire/checkout.ts";
import { newId } from "../../schema/wire/ids.ts";

/** The projects of teams, by name. */

export type ProjectSettings = Omit<ProjectRow, "id" | "team" | "name" | "former_repositories" | "created_at" | "updated_at">;

/** So many former addresses of a repository are stored. */
const MAX_FORMER = 10;

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
export async function projectsWithRetention(db: D1Database): Promise<ProjectRow[]> {
	return drizzle(db)
		.select()
		.from(projects)
		.where(or(isNotNull(projects.keep_runs), isNotNull(projects.keep_logs), isNotNull(projects.keep_artifacts)));
}

/** How much of the repository the jobs of a project get, as far as the project says. */
export function checkoutOf(row: ProjectRow): CheckoutChoice {
	return {
		...(row.checkout_depth === null ? {} : { depth: row.checkout_depth }),
		...(row.checkout_tags === null ? {} : { tags: row.checkout_tags }),
		...(row.checkout_submodules === null ? {} : { submodules: row.checkout_submodules }),
		...(row.checkout_lfs === null ? {} : { lfs: row.checkout_lfs }),
	};
}

/** @returns null if there is one of this name */
export async function addProject(db: D1Database, team: string, name: string, settings: ProjectSettings): Promise<ProjectRow | null> {
	const now = Date.now();
	const rows = await drizzle(db)
		.insert(projects)
		.values({ id: newId("project"), team, name, ...settings, created_at: now, updated_at: now })
		.onConflictDoNothing()
		.returning();
	return rows[0] ?? null;
}

/** Changes a project; an address of its repository that it had until now is stored. @returns null if there is none of this name */
export async function changeProject(
	db: D1Database,
	team: string,
	name: string,
	change: Partial<ProjectSettings>,
): Promise<ProjectRow | null> {
	const moved = change.repository === undefined ? {} : { former_repositories: formerWith(change.repository) };
	const rows = await drizzle(db)
		.update(projects)
		.set({ ...change, ...moved, updated_at: Date.now() })
		.where(and(eq(projects.team, team), eq(projects.name, name)))
		.returning();
	return rows[0] ?? null;
}

/** The former addresses once the repository is at this one, in SQL: two changes at once lose none. */
function formerWith(address: string | null) {
	const { repository, former_repositories: former } = projects;
	return sql<string>`CASE WHEN ${repository} IS NULL OR ${repository} IS ${address} THEN ${former} ELSE (
		SELECT json_group_array(value) FROM (
			SELECT ${repository} AS value UNION ALL SELECT value FROM json_each(${former}) WHERE value <> ${repository} LIMIT ${MAX_FORMER}))
		END`;
}

/** Whether an address is one that the repository of the project has, or had before. */
export function isRepositoryOf(
	{ repository, former_repositories }: Pick<ProjectRow, "repository" | "former_repositories">,
	address: string,
) {
	return repository === address || (JSON.parse(former_repositories) as string[]).includes(address);
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
