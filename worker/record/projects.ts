import { and, asc, eq, isNotNull, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type ProjectRow, projects } from "../../schema/database/tables.ts";
import type { CheckoutChoice } from "../../schema/wire/checkout.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { Principal } from "../identity/principal.ts";
import { evictProjectRoles } from "../identity/project_roles.ts";
import { TrustedRows } from "../identity/trusted_rows.ts";

/** Projects, by team and name. */

export type ProjectSettings = Omit<ProjectRow, "id" | "team" | "name" | "former_repositories" | "created_at" | "updated_at">;

/** How many former addresses of a repository are stored. */
const MAX_FORMER = 10;

export async function findProject(db: D1Database, team: string, name: string): Promise<ProjectRow | null> {
	const rows = await drizzle(db)
		.select()
		.from(projects)
		.where(and(eq(projects.team, team), eq(projects.name, name)));
	return rows[0] ?? null;
}

const trusted = new TrustedRows<ProjectRow>();

/** The same, at most two seconds old where another isolate has changed the project. */
export async function findTrustedProject(db: D1Database, team: string, name: string): Promise<ProjectRow | null> {
	return trusted.get(trustedKey(team, name), async () => (await findProject(db, team, name)) ?? undefined);
}

function trustedKey(team: string, name: string): string {
	return `${team} ${name}`;
}

export async function listProjects(db: D1Database, team: string): Promise<ProjectRow[]> {
	return drizzle(db).select().from(projects).where(eq(projects.team, team)).orderBy(asc(projects.name));
}

/** Projects of all teams that set a retention of their own. */
export async function projectsWithRetention(db: D1Database): Promise<ProjectRow[]> {
	return drizzle(db)
		.select()
		.from(projects)
		.where(or(isNotNull(projects.keep_runs), isNotNull(projects.keep_logs), isNotNull(projects.keep_artifacts)));
}

/** The projects with a repository whose files the pipelines of this one may include. */
export async function includableProjects(db: D1Database, team: string, name: string): Promise<ProjectRow[]> {
	const allows = sql`EXISTS (SELECT 1 FROM json_each(${projects.includable_by}) WHERE value = ${name})`;
	return drizzle(db)
		.select()
		.from(projects)
		.where(and(eq(projects.team, team), isNotNull(projects.includable_by), isNotNull(projects.repository), allows));
}

/** The projects whose mirrors are kept warm. */
export function projectsWithWarmMirrors(db: D1Database, team: string): Promise<ProjectRow[]> {
	return drizzle(db)
		.select()
		.from(projects)
		.where(and(eq(projects.team, team), isNotNull(projects.warm_mirrors), isNotNull(projects.repository)));
}

/**
 * Whether somebody may decide about the runs of forks of a project, if their role allows it at all.
 * A token of a program is nobody whom the setting can name.
 */
export function approvesForks(project: ProjectRow | null, principal: Extract<Principal, { kind: "user" | "host" }>): boolean {
	const named = project?.fork_approvers ?? null;
	if (named === null || principal.kind === "host") return true;
	return principal.personId !== null && named.includes(principal.name);
}

/** The checkout settings of a project. */
export function checkoutOf(row: ProjectRow): CheckoutChoice {
	return {
		...(row.checkout_depth === null ? {} : { depth: row.checkout_depth }),
		...(row.checkout_filter === null ? {} : { filter: row.checkout_filter }),
		...(row.checkout_tags === null ? {} : { tags: row.checkout_tags }),
		...(row.checkout_submodules === null ? {} : { submodules: row.checkout_submodules }),
		...(row.checkout_lfs === null ? {} : { lfs: row.checkout_lfs }),
	};
}

/** @returns null if the name is taken */
export async function addProject(db: D1Database, team: string, name: string, settings: ProjectSettings): Promise<ProjectRow | null> {
	const now = Date.now();
	const rows = await drizzle(db)
		.insert(projects)
		.values({ id: newId("project"), team, name, ...settings, created_at: now, updated_at: now })
		.onConflictDoNothing()
		.returning();
	return rows[0] ?? null;
}

/**
 * Changes a project. A replaced repository address is stored as a former address.
 * @returns null if there is no project of this name
 */
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
	trusted.evict(trustedKey(team, name));
	return rows[0] ?? null;
}

/**
 * The former addresses after a change of the repository. SQL computes them, so that concurrent
 * changes lose none.
 */
function formerWith(address: string | null) {
	const { repository, former_repositories: former } = projects;
	return sql<string>`CASE WHEN ${repository} IS NULL OR ${repository} IS ${address} THEN ${former} ELSE (
		SELECT json_group_array(value) FROM (
			SELECT ${repository} AS value UNION ALL SELECT value FROM json_each(${former}) WHERE value <> ${repository} LIMIT ${MAX_FORMER}))
		END`;
}

/** Whether an address is the current or a former repository of the project. */
export function isRepositoryOf(
	{ repository, former_repositories }: Pick<ProjectRow, "repository" | "former_repositories">,
	address: string,
) {
	return repository === address || (JSON.parse(former_repositories) as string[]).includes(address);
}

/** The project with this id, which the URL of its webhook contains, in any team. */
export async function findProjectById(db: D1Database, id: string): Promise<ProjectRow | null> {
	const [row] = await drizzle(db).select().from(projects).where(eq(projects.id, id));
	return row ?? null;
}

/**
 * Deletes a project with its secrets, deliveries and notices, but not its runs.
 * @returns false if there is no project of this name
 */
export async function deleteProjectRecord(db: D1Database, team: string, name: string): Promise<boolean> {
	// Secrets of a project that was never created stay.
	const secretsOfProject =
		"DELETE FROM secrets WHERE team = ?1 AND project = ?2 AND EXISTS (SELECT 1 FROM projects WHERE team = ?1 AND name = ?2)";
	const [, , , , deleted] = await db.batch([
		db.prepare(secretsOfProject).bind(team, name),
		db.prepare("DELETE FROM deliveries WHERE team = ? AND project = ?").bind(team, name),
		db.prepare("DELETE FROM project_notices WHERE team = ? AND project = ?").bind(team, name),
		db.prepare("DELETE FROM project_roles WHERE team = ? AND project = ?").bind(team, name),
		db.prepare("DELETE FROM projects WHERE team = ? AND name = ? RETURNING id").bind(team, name),
	]);
	trusted.evict(trustedKey(team, name));
	evictProjectRoles();
	return (deleted?.results.length ?? 0) > 0;
}
