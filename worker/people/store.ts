import { and, asc, desc, eq, exists, gt, inArray, isNull, lt, lte, ne, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { alias } from "drizzle-orm/sqlite-core";
import { identities, invitations, passwords, projectRoles, sessions, tokens } from "../../schema/database/tables.ts";
import type { Role } from "../../schema/wire/permissions.ts";
import { evictTokens, type Token } from "../identity/tokens_store.ts";

/** People, their passwords and invitations. A person is a row of `tokens` of the kind `person`. */

export type InvitationRow = typeof invitations.$inferSelect;
export type IdentityRow = typeof identities.$inferSelect;

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

/** The person of this name; undefined without one. */
export async function findPersonNamed(db: D1Database, team: string, name: string): Promise<Token | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(tokens)
		.where(and(isPerson(team), eq(tokens.name, name)));
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

/** Whether a person has or had this name: records, and settings that name people, mean them. */
export async function wasPersonNamed(db: D1Database, team: string, name: string): Promise<boolean> {
	const found = await drizzle(db)
		.select({ id: tokens.id })
		.from(tokens)
		.where(and(eq(tokens.team, team), eq(tokens.name, name), eq(tokens.kind, "person")))
		.limit(1);
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
		// Somebody else may have had an account of theirs, too.
		drizzled.delete(identities).where(eq(identities.person_id, personId)),
		revokeTokensOf(db, personId, now),
		drizzled.delete(sessions).where(eq(sessions.token_id, personId)),
	]);
	evictTokens();
}

/**
 * Has a person sign in with an account from now on: their password, sessions and personal tokens end,
 * because somebody else may have had them.
 * @returns false if the account stands for somebody already
 */
export async function setAccount(db: D1Database, row: IdentityRow): Promise<boolean> {
	const drizzled = drizzle(db);
	const { person_id: personId, created_at: now } = row;
	const live = drizzled.select({ id: tokens.id }).from(tokens).where(isPerson(row.team));
	const isOfAnother = and(isAccount(row), inArray(identities.person_id, live), ne(identities.person_id, personId));
	if ((await drizzled.select().from(identities).where(isOfAnother)).length > 0) return false;
	await drizzled.batch([
		drizzled
			.insert(identities)
			.values(row)
			.onConflictDoUpdate({
				target: [identities.team, identities.provider, identities.subject],
				set: { person_id: personId, is_by_rule: row.is_by_rule, created_at: now },
			}),
		drizzled.delete(passwords).where(eq(passwords.person_id, personId)),
		revokeTokensOf(db, personId, now),
		drizzled.delete(sessions).where(eq(sessions.token_id, personId)),
	]);
	evictTokens();
	return true;
}

/** Adds the account of a new person. @returns false if there is one of this subject */
export async function addAccount(db: D1Database, row: IdentityRow): Promise<boolean> {
	const added = await drizzle(db).insert(identities).values(row).onConflictDoNothing().returning({ subject: identities.subject });
	return added.length > 0;
}

export async function findAccount(
	db: D1Database,
	account: Pick<IdentityRow, "team" | "provider" | "subject">,
): Promise<IdentityRow | undefined> {
	const [found] = await drizzle(db).select().from(identities).where(isAccount(account));
	return found;
}

const isAccount = ({ team, provider, subject }: Pick<IdentityRow, "team" | "provider" | "subject">) =>
	and(eq(identities.team, team), eq(identities.provider, provider), eq(identities.subject, subject));

/** The accounts of the people of a team. */
export async function listAccounts(db: D1Database, team: string): Promise<IdentityRow[]> {
	return drizzle(db).select().from(identities).where(eq(identities.team, team));
}

/** The account by whose rules a person is here; undefined if somebody has invited them. */
export async function findRuledAccount(db: D1Database, personId: string): Promise<IdentityRow | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(identities)
		.where(and(eq(identities.person_id, personId), eq(identities.is_by_rule, true)));
	return found;
}

/** Ends the sessions and personal tokens of a person. */
export async function signOutEverywhere(db: D1Database, personId: string, now: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([revokeTokensOf(db, personId, now), drizzled.delete(sessions).where(eq(sessions.token_id, personId))]);
	evictTokens();
}

/** Takes back a person who was added a moment ago, and stands nowhere yet. */
export async function forgetPerson(db: D1Database, personId: string): Promise<void> {
	await drizzle(db).delete(tokens).where(eq(tokens.id, personId));
}

function revokeTokensOf(db: D1Database, personId: string, now: number) {
	return drizzle(db)
		.update(tokens)
		.set({ revoked_at: now })
		.where(and(eq(tokens.person_id, personId), isNull(tokens.revoked_at)));
}

export async function setRole(db: D1Database, personId: string, role: Role): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.update(tokens).set({ role }).where(eq(tokens.id, personId)),
		...(role === "operator" ? [] : [revokeMadeElsewhere(db, personId, Date.now())]),
	]);
	evictTokens();
}

/** Revokes what an operator has made in other teams, where nobody knows them as a person. */
function revokeMadeElsewhere(db: D1Database, personId: string, now: number) {
	const maker = alias(tokens, "maker");
	const madeBy = drizzle(db)
		.select({ id: maker.id })
		.from(maker)
		.where(
			and(
				eq(maker.id, personId),
				ne(maker.team, tokens.team),
				lte(maker.created_at, tokens.created_at),
				sql`${tokens.created_by} = ${maker.team} || '/' || ${maker.name}`,
			),
		);
	return drizzle(db)
		.update(tokens)
		.set({ revoked_at: now })
		.where(and(isNull(tokens.revoked_at), exists(madeBy)));
}

/** Removes a person with their password, their sessions and their personal tokens. */
export async function removePerson(db: D1Database, personId: string, now: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.update(tokens).set({ revoked_at: now }).where(eq(tokens.id, personId)),
		revokeTokensOf(db, personId, now),
		revokeMadeElsewhere(db, personId, now),
		drizzled.delete(passwords).where(eq(passwords.person_id, personId)),
		drizzled.delete(invitations).where(eq(invitations.person_id, personId)),
		drizzled.delete(projectRoles).where(eq(projectRoles.person_id, personId)),
		drizzled.delete(sessions).where(eq(sessions.token_id, personId)),
	]);
	evictTokens();
}

/** The open invitations of a team, newest first. */
export async function listInvitations(db: D1Database, team: string, now: number): Promise<InvitationRow[]> {
	return drizzle(db)
		.select()
		.from(invitations)
		.where(and(eq(invitations.team, team), isNull(invitations.used_at), gt(invitations.expires_at, now)))
		.orderBy(desc(invitations.created_at));
}

/** The open invitation of a name; undefined without one. */
export async function findOpenInvitation(db: D1Database, team: string, name: string, now: number): Promise<InvitationRow | undefined> {
	return (await listInvitations(db, team, now)).find((row) => row.name === name);
}

/** @returns false if it was used or withdrawn meanwhile */
export async function withdrawInvitation(db: D1Database, hash: string): Promise<boolean> {
	const withdrawn = await drizzle(db)
		.delete(invitations)
		.where(and(eq(invitations.hash, hash), isNull(invitations.used_at)))
		.returning({ hash: invitations.hash });
	return withdrawn.length > 0;
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
