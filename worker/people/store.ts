import { and, asc, eq, gt, isNull, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { invitations, passwords, sessions, tokens } from "../../schema/database/tables.ts";
import type { Role } from "../../schema/wire/permissions.ts";
import { evictTokens, type Token } from "../identity/tokens_store.ts";

/** People, their passwords and invitations. A person is a row of `tokens` of the kind `person`. */

export type InvitationRow = typeof invitations.$inferSelect;

const isPerson = (team: string) => and(eq(tokens.team, team), eq(tokens.kind, "person"), isNull(tokens.revoked_at));

/** The people of a team by name. */
export async function listPeople(db: D1Database, team: string): Promise<Token[]> {
	return drizzle(db).select().from(tokens).where(isPerson(team)).orderBy(asc(tokens.name));
}

export async function findPerson(db: D1Database, team: string, id: string): Promise<Token | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(tokens)
		.where(and(isPerson(team), eq(tokens.id, id)));
	return found;
}

/** The person of this name with the hash of their password; undefined without one. */
export async function findByName(db: D1Database, team: string, name: string): Promise<{ person: Token; phc: string } | undefined> {
	const [found] = await drizzle(db)
		.select({ person: tokens, phc: passwords.phc })
		.from(tokens)
		.innerJoin(passwords, eq(passwords.person_id, tokens.id))
		.where(and(isPerson(team), eq(tokens.name, name)));
	return found;
}

export async function passwordOf(db: D1Database, personId: string): Promise<string | null> {
	const [found] = await drizzle(db).select().from(passwords).where(eq(passwords.person_id, personId));
	return found?.phc ?? null;
}

/** Whether somebody or some token has this name. */
export async function isNameTaken(db: D1Database, team: string, name: string): Promise<boolean> {
	const found = await drizzle(db)
		.select({ id: tokens.id })
		.from(tokens)
		.where(and(eq(tokens.team, team), eq(tokens.name, name), isNull(tokens.revoked_at)));
	return found.length > 0;
}

/** Sets a password, and ends the sessions and personal tokens of the person: somebody else may have had the old one. */
export async function setPassword(db: D1Database, personId: string, phc: string, now: number): Promise<void> {
	const drizzled = drizzle(db);
	const set = { phc, changed_at: now };
	await drizzled.batch([
		drizzled
			.insert(passwords)
			.values({ person_id: personId, ...set })
			.onConflictDoUpdate({ target: passwords.person_id, set }),
		revokeTokensOf(db, personId, now),
		drizzled.delete(sessions).where(eq(sessions.token_id, personId)),
	]);
	evictTokens();
}

function revokeTokensOf(db: D1Database, personId: string, now: number) {
	return drizzle(db)
		.update(tokens)
		.set({ revoked_at: now })
		.where(and(eq(tokens.person_id, personId), isNull(tokens.revoked_at)));
}

export async function setRole(db: D1Database, personId: string, role: Role): Promise<void> {
	await drizzle(db).update(tokens).set({ role }).where(eq(tokens.id, personId));
	evictTokens();
}

/** Removes a person with their password, their sessions and their personal tokens. */
export async function removePerson(db: D1Database, personId: string, now: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.update(tokens).set({ revoked_at: now }).where(eq(tokens.id, personId)),
		revokeTokensOf(db, personId, now),
		drizzled.delete(passwords).where(eq(passwords.person_id, personId)),
		drizzled.delete(invitations).where(eq(invitations.person_id, personId)),
		drizzled.delete(sessions).where(eq(sessions.token_id, personId)),
	]);
	evictTokens();
}

/** Adds an invitation. An earlier one of the same name ends, and expired ones are deleted. */
export async function addInvitation(db: D1Database, row: InvitationRow): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.delete(invitations).where(and(eq(invitations.team, row.team), eq(invitations.name, row.name))),
		drizzled.delete(invitations).where(lt(invitations.expires_at, row.created_at)),
		drizzled.insert(invitations).values(row),
	]);
}

/** The invitation of a code; undefined if it is unknown, used or expired. */
export async function findInvitation(db: D1Database, hash: string, now: number): Promise<InvitationRow | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(invitations)
		.where(and(eq(invitations.hash, hash), isNull(invitations.used_at), gt(invitations.expires_at, now)));
	return found;
}

/** Uses an invitation once. @returns false if another request was first */
export async function useInvitation(db: D1Database, hash: string, now: number): Promise<boolean> {
	const used = await drizzle(db)
		.update(invitations)
		.set({ used_at: now })
		.where(and(eq(invitations.hash, hash), isNull(invitations.used_at), gt(invitations.expires_at, now)))
		.returning({ hash: invitations.hash });
	return used.length > 0;
}
