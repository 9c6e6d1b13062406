import { and, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { projects } from "../../schema/database/tables.ts";
import type { Principal } from "./principal.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** Visitors: who has not signed in, and looks at a public project. */

const VISITOR = "visitor";

/** A viewer of one project. */
export function visitorOf(team: string, project: string): Extract<Principal, { kind: "user" }> {
	return {
		...{ kind: "user", team, role: "viewer", name: "a visitor", tokenId: VISITOR, personId: null },
		...{ since: 0, expiresAt: null, sessionId: null, projects: [project], cap: "viewer", projectRoles: {} },
	};
}

export function isVisitor(principal: Principal): boolean {
	return principal.kind === "user" && principal.tokenId === VISITOR;
}

const trusted = new TrustedRows<{ is_public: number }>();

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
