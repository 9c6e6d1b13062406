import { asc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { teams } from "../../schema/database/tables.ts";
import { DEFAULT_TEAM } from "../../schema/wire/teams.ts";

/** Which teams there are. */

/** Teams are never removed, so what exists is known for good. */
const known = new Set([DEFAULT_TEAM]);

/** Whether there is such a team: a made-up name must not make a queue of its own. */
export async function isTeam(db: D1Database, slug: string): Promise<boolean> {
	if (known.has(slug)) return true;
	const found = await drizzle(db).select({ slug: teams.slug }).from(teams).where(eq(teams.slug, slug));
	if (found.length > 0) known.add(slug);
	return found.length > 0;
}

/** Whether there is more than the first team. */
export async function hasSeveralTeams(db: D1Database): Promise<boolean> {
	if (known.size > 1) return true;
	return (await drizzle(db).select({ slug: teams.slug }).from(teams).limit(2)).length > 1;
}

/** The slugs of all teams. */
export async function listTeams(db: D1Database): Promise<string[]> {
	const rows = await drizzle(db).select({ slug: teams.slug }).from(teams).orderBy(asc(teams.slug));
	return rows.map(({ slug }) => slug);
}
