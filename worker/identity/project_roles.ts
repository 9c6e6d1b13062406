import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projectRoles } from "../../schema/database/tables.ts";
import { greaterOf, isAtLeast, lesserOf, type Role } from "../../schema/wire/permissions.ts";
import type { Principal } from "./principal.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** Greater roles of people in single projects. */

type User = Extract<Principal, { kind: "user" }>;
type Roles = Readonly<Record<string, Role>>;

const trusted = new TrustedRows<Roles>();

/** The roles of a person by project, as of two seconds ago. */
async function rolesOf(db: D1Database, personId: string): Promise<Roles> {
	const found = await trusted.get(personId, async () => {
		const rows = await drizzle(db).select().from(projectRoles).where(eq(projectRoles.person_id, personId));
		return Object.fromEntries(rows.map(({ project, role }) => [project, role]));
	});
	return found ?? {};
}

/** Forgets what is known of roles, after a change. */
export function evictProjectRoles(): void {
	trusted.evictAll();
}

/** The caller with the greater roles that they have in projects. */
export async function withProjectRoles(db: D1Database, user: User): Promise<User> {
	return user.personId === null ? user : { ...user, projectRoles: await rolesOf(db, user.personId) };
}

/** The role of a caller in a project: the greater of both, as far as their credential allows it. */
export function roleIn({ role, cap, projectRoles: roles }: Pick<User, "role" | "cap" | "projectRoles">, project: string): Role {
	const own = Object.hasOwn(roles, project) ? roles[project] : undefined;
	return own === undefined ? role : greaterOf(role, lesserOf(own, cap));
}

/** The greatest role that a caller has anywhere. */
export function greatestRoleOf(user: Pick<User, "role" | "cap" | "projectRoles">): Role {
	return Object.keys(user.projectRoles)
		.map((project) => roleIn(user, project))
		.reduce((one, other) => (isAtLeast(one, other) ? one : other), user.role);
}
