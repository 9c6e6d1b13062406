import { and, asc, eq, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projects } from "../../schema/database/tables.ts";
import type { Principal } from "./principal.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** Visitors: who has not signed in, and looks at a public project. */

const VISITOR = "visitor";

/** A viewer of one project. */
export function visitorOf(team: string, project: string): Extract<Principal, { kind: "user" }> {
	return {
		...{ kind: "user", team, home: team, role: "viewer", name: "a visitor", tokenId: VISITOR, personId: null },
		...{ since: 0, expiresAt: null, sessionId: null, projects: [project], cap: "viewer", projectRoles: {} },
	};
}

export function isVisitor(principal: Principal): boolean {
	return principal.kind === "user" && principal.tokenId === VISITOR;
}

const trusted = new TrustedRows<{ is_public: number }>();
const trustedTeams = new TrustedRows<{ slugs: readonly string[] }>();

/** Forgets which projects are public, after a change. */
export function evictPublicProjects(): void {
	trusted.evictAll();
	trustedTeams.evictAll();
}

/** The teams with a public project, as of two seconds ago. */
export async function teamsWithPublicProjects(db: D1Database): Promise<readonly string[]> {
	const found = await trustedTeams.get("all", async () => {
		const rows = await drizzle(db)
			.selectDistinct({ team: projects.team })
			.from(projects)
			.where(and(isSeenByAll, eq(projects.is_public, 1)));
		return { slugs: rows.map(({ team }) => team) };
	});
	return found?.slugs ?? [];
}

/** As the index has it. */
const isSeenByAll = or(eq(projects.is_public, 1), eq(projects.has_public_badges, 1));

/** The project of this name of which everybody sees the badges; undefined without one. */
export async function projectWithPublicBadges(db: D1Database, name: string): Promise<typeof projects.$inferSelect | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(projects)
		.where(and(eq(projects.name, name), isSeenByAll))
		.orderBy(asc(projects.id))
		.limit(1);
	return found;
}

/** Whether everybody may see a project, as of two seconds ago. */
export async function isPublicProject(db: D1Database, team: string, name: string): Promise<boolean> {
	const found = await trusted.get(JSON.stringify([team, name]), async () => {
		const [row] = await drizzle(db)
			.select({ is_public: projects.is_public })
			.from(projects)
			.where(and(eq(projects.team, team), eq(projects.name, name)));
		return row;
	});
	return found?.is_public === 1;
}
