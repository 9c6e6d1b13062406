import { asc, eq, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type TeamRow, teams } from "../../schema/database/tables.ts";

/** The rows of teams. */

export interface CountedTeam extends TeamRow {
	people: number;
	projects: number;
}

const counted = {
	...{ slug: teams.slug, name: teams.name, looks: teams.looks, created_by: teams.created_by, created_at: teams.created_at },
	people: sql<number>`(SELECT count(*) FROM tokens WHERE team = ${teams.slug} AND kind = 'person' AND revoked_at IS NULL)`,
	projects: sql<number>`(SELECT count(*) FROM projects WHERE team = ${teams.slug})`,
};

/** All teams by their slug, with how much they have. */
export function listCounted(db: D1Database): Promise<CountedTeam[]> {
	return drizzle(db).select(counted).from(teams).orderBy(asc(teams.slug));
}

export async function findCounted(db: D1Database, slug: string): Promise<CountedTeam | undefined> {
	const [found] = await drizzle(db).select(counted).from(teams).where(eq(teams.slug, slug));
	return found;
}

/** The team whose slug looks like this one. */
export async function findLookalike(db: D1Database, looks: string): Promise<TeamRow | undefined> {
	const [found] = await drizzle(db).select().from(teams).where(eq(teams.looks, looks));
	return found;
}

/** @returns false if a team has this slug, or one that looks like it */
export async function addTeam(db: D1Database, row: TeamRow): Promise<boolean> {
	const added = await drizzle(db).insert(teams).values(row).onConflictDoNothing().returning({ slug: teams.slug });
	return added.length > 0;
}

/** @returns false without such a team */
export async function renameTeam(db: D1Database, slug: string, name: string): Promise<boolean> {
	const isOfSlug: SQL = eq(teams.slug, slug);
	const changed = await drizzle(db).update(teams).set({ name }).where(isOfSlug).returning({ slug: teams.slug });
	return changed.length > 0;
}
