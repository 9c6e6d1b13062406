import { and, asc, eq, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projectRoles, tokens } from "../../schema/database/tables.ts";
import { evictProjectRoles } from "../identity/project_roles.ts";

/** Greater roles of people in single projects. */

export type ProjectRoleRow = typeof projectRoles.$inferSelect;

/** The roles in a project with their people, by name. */
export async function listRoles(db: D1Database, team: string, project: string) {
	return drizzle(db)
		.select({ granted: projectRoles, person: { name: tokens.name, role: tokens.role } })
		.from(projectRoles)
		.innerJoin(tokens, eq(tokens.id, projectRoles.person_id))
		.where(and(eq(projectRoles.team, team), eq(projectRoles.project, project), isNull(tokens.revoked_at)))
		.orderBy(asc(tokens.name));
}

export async function putRole(db: D1Database, row: ProjectRoleRow): Promise<void> {
	const { role, granted_by, granted_at } = row;
	await drizzle(db)
		.insert(projectRoles)
		.values(row)
		.onConflictDoUpdate({
			target: [projectRoles.team, projectRoles.project, projectRoles.person_id],
			set: { role, granted_by, granted_at },
		});
	evictProjectRoles();
}

/** @returns the role that was taken; undefined without one */
export async function removeRole(db: D1Database, team: string, project: string, personId: string): Promise<ProjectRoleRow | undefined> {
	const [removed] = await drizzle(db)
		.delete(projectRoles)
		.where(and(eq(projectRoles.team, team), eq(projectRoles.project, project), eq(projectRoles.person_id, personId)))
		.returning();
	evictProjectRoles();
	return removed;
}
