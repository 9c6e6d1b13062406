import { notFound } from "../../schema/wire/errors.ts";
import { lesserOf, type Role } from "../../schema/wire/permissions.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";
import { isTeam } from "../platform/teams.ts";

/** Operators stand above teams: a request of theirs may be about another team than their own. */

interface Actor {
	team: string;
	home: string;
	role: Role;
	name: string;
	personId: string | null;
	projects: readonly string[] | null;
	projectRoles: Readonly<Record<string, Role>>;
}

/**
 * A caller as they act in a team. An operator is a guest in another one: their name there begins with
 * their own team, which no name of a person or token can, and they have no role of a person in it.
 * @throws ApiError `not_found` for a team that does not exist, and for everybody else, so that nobody
 * learns which teams there are
 */
export async function actingIn<User extends Actor>(db: D1Database, user: User, team: string): Promise<User> {
	if (team === user.team) return user;
	if (!isOperator(user) || !(await isTeam(db, team))) throw notFound("team", team);
	return { ...user, team, name: `${user.home}/${user.name}`, personId: null, projectRoles: {} };
}

/** The greatest role that a caller gives to others: operators are of the first team alone. */
export function givenRole({ team, role }: Pick<Actor, "team" | "role">): Role {
	return team === DEFAULT_TEAM ? role : lesserOf(role, "admin");
}

/** Whether a caller may act in every team. */
export function isOperator({ home, role, projects }: Pick<Actor, "home" | "role" | "projects">): boolean {
	return home === DEFAULT_TEAM && role === "operator" && projects === null;
}
