import { and, asc, eq, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { identities, identityProviders, sessions } from "../../schema/database/tables.ts";
import { evictSessions } from "../identity/trusted_sessions.ts";

/** The identity providers of a team. */

export type ProviderRow = typeof identityProviders.$inferSelect;

const isNamed = (team: string, name: string) => and(eq(identityProviders.team, team), eq(identityProviders.name, name));

/** The providers of a team by name. */
export async function listProviders(db: D1Database, team: string): Promise<ProviderRow[]> {
	return drizzle(db).select().from(identityProviders).where(eq(identityProviders.team, team)).orderBy(asc(identityProviders.name));
}

export async function findProvider(db: D1Database, team: string, name: string): Promise<ProviderRow | undefined> {
	const [found] = await drizzle(db).select().from(identityProviders).where(isNamed(team, name));
	return found;
}

/** Adds or changes a provider. Who and when it was made stays. */
export async function putProvider(db: D1Database, row: ProviderRow): Promise<ProviderRow> {
	const { team, name, created_by, created_at, ...set } = row;
	const [stored] = await drizzle(db)
		.insert(identityProviders)
		.values(row)
		.onConflictDoUpdate({ target: [identityProviders.team, identityProviders.name], set })
		.returning();
	return stored ?? row;
}

/** Removes a provider with its accounts. The sessions of their people end. */
export async function removeProvider(db: D1Database, team: string, name: string): Promise<void> {
	const drizzled = drizzle(db);
	const isOfProvider = and(eq(identities.team, team), eq(identities.provider, name));
	const people = drizzled.select({ id: identities.person_id }).from(identities).where(isOfProvider);
	await drizzled.batch([
		drizzled.delete(sessions).where(inArray(sessions.token_id, people)),
		drizzled.delete(identities).where(isOfProvider),
		drizzled.delete(identityProviders).where(isNamed(team, name)),
	]);
	evictSessions();
}
