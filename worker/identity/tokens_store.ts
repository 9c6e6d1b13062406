import { and, desc, eq, gt, isNull, lt, ne, or, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { alias } from "drizzle-orm/sqlite-core";
import { sessions, signInLinks, tokens } from "../../schema/database/tables.ts";
import { lesserOf, type Role } from "../../schema/wire/permissions.ts";
import { TrustedRows } from "./trusted_rows.ts";
import { evictSessions } from "./trusted_sessions.ts";

/** The tokens of people. The Dispatcher stores the tokens of agents and leases. */
export type Token = typeof tokens.$inferSelect & {
	/** The role that it was given, where it acts with a lesser one. */
	cap?: Role;
};

const trusted = new TrustedRows<Token>();
const person = alias(tokens, "person");

/** The live token with this hash; null without one. */
export async function findToken(db: D1Database, hash: string): Promise<Token | null> {
	const found = await trusted.get(hash, async () => {
		const [row] = await drizzle(db)
			.select({ token: tokens, person })
			.from(tokens)
			.leftJoin(person, eq(person.id, tokens.person_id))
			.where(and(eq(tokens.hash, hash), isNull(tokens.revoked_at)));
		return row && actingAs(row.token, row.person);
	});
	return found && (found.expires_at === null || found.expires_at > Date.now()) ? found : null;
}

/** A token as it acts: a personal one has the name of its person, is as old as they are, and has no greater role. */
function actingAs(token: Token, person: Token | null): Token | undefined {
	if (token.person_id === null) return token;
	if (person === null || person.revoked_at !== null) return undefined;
	return { ...token, name: person.name, role: lesserOf(token.role, person.role), cap: token.role, created_at: person.created_at };
}

/** Forgets what is known of tokens, after a change of people. */
export function evictTokens(): void {
	trusted.evictAll();
	live.evict(ALL);
	trustedActors.evictAll();
	evictSessions();
}

/** Records the use of a token, once a day: the day, and the address of its first use on that day. */
export async function recordUse(db: D1Database, token: Token, address: string): Promise<void> {
	const today = new Date().toISOString().slice(0, "2026-01-31".length);
	if (token.last_used_on === today) return;
	const used = { last_used_on: today, last_used_from: address };
	await drizzle(db).update(tokens).set(used).where(eq(tokens.id, token.id));
	// The row that others trust has it at once, too.
	Object.assign(token, used);
}

/** The live tokens of a team, newest first. */
export async function listTokens(db: D1Database, team: string, now: number): Promise<Token[]> {
	return drizzle(db)
		.select()
		.from(tokens)
		.where(and(eq(tokens.team, team), ne(tokens.kind, "person"), isLive(now)))
		.orderBy(desc(tokens.created_at));
}

/** A live token by its id; undefined without one. */
export async function findTokenById(db: D1Database, team: string, id: string, now: number): Promise<Token | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(tokens)
		.where(and(eq(tokens.team, team), eq(tokens.id, id), ne(tokens.kind, "person"), isLive(now)));
	return found;
}

/** A live token or person by its id, as it acts. */
export async function findActor(db: D1Database, id: string): Promise<Token | undefined> {
	const [row] = await drizzle(db)
		.select({ token: tokens, person })
		.from(tokens)
		.leftJoin(person, eq(person.id, tokens.person_id))
		.where(and(eq(tokens.id, id), isLive(Date.now())));
	return row && actingAs(row.token, row.person);
}

const trustedActors = new TrustedRows<Token>();

/** The same for a token, as of two seconds ago; null without one. */
export async function findTrustedActor(db: D1Database, id: string): Promise<Token | null> {
	const found = await trustedActors.get(id, () => findActor(db, id));
	return found && found.kind !== "person" && (found.expires_at === null || found.expires_at > Date.now()) ? found : null;
}

function isLive(now: number): SQL | undefined {
	return and(isNull(tokens.revoked_at), or(isNull(tokens.expires_at), gt(tokens.expires_at, now)));
}

/** @returns false if a live token has this name */
export async function addToken(db: D1Database, token: Token): Promise<boolean> {
	const drizzled = drizzle(db);
	const [, added] = await drizzled.batch([
		// The name of an expired token is free.
		drizzled
			.update(tokens)
			.set({ revoked_at: token.created_at })
			.where(
				and(eq(tokens.team, token.team), eq(tokens.name, token.name), isNull(tokens.revoked_at), lt(tokens.expires_at, token.created_at)),
			),
		drizzled.insert(tokens).values(token).onConflictDoNothing().returning({ id: tokens.id }),
	]);
	live.evict(ALL);
	return added.length > 0;
}

/** Gives a token another secret. The sessions that it opened end. */
export async function replaceHash(db: D1Database, { id, hash: former }: Token, hash: string, expiresAt: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.update(tokens).set({ hash, expires_at: expiresAt }).where(eq(tokens.id, id)),
		drizzled.delete(sessions).where(eq(sessions.token_id, id)),
	]);
	trusted.evict(former);
	live.evict(ALL);
	trustedActors.evictAll();
}

/** Revokes a token. The sessions that it opened end. */
export async function revoke(db: D1Database, { id, hash }: Token, now: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.update(tokens).set({ revoked_at: now }).where(eq(tokens.id, id)),
		drizzled.delete(sessions).where(eq(sessions.token_id, id)),
	]);
	trusted.evict(hash);
	live.evict(ALL);
	trustedActors.evictAll();
}

/**
 * Revokes the tokens that open a project, among others perhaps.
 * @param madeBy only those that somebody of this name has made; null: all
 */
export async function revokeProjectTokens(
	db: D1Database,
	{ team, project, madeBy }: { team: string; project: string; madeBy: string | null },
	now: number,
): Promise<void> {
	const opens = sql`EXISTS (SELECT 1 FROM json_each(${tokens.projects}) WHERE value = ${project})`;
	const isOfMaker = madeBy === null ? undefined : eq(tokens.created_by, madeBy);
	await drizzle(db)
		.update(tokens)
		.set({ revoked_at: now })
		.where(and(eq(tokens.team, team), eq(tokens.kind, "project"), isNull(tokens.revoked_at), opens, isOfMaker));
	evictTokens();
}

const live = new TrustedRows<ReadonlySet<string>>();
const ALL = "all";

/**
 * Whether a live token has this hash, as of two seconds ago: one query serves all checks in
 * between.
 */
export async function isLiveToken(db: D1Database, hash: string): Promise<boolean> {
	const hashes = await live.get(ALL, async () => {
		const rows = await drizzle(db).select({ hash: tokens.hash }).from(tokens).where(isNull(tokens.revoked_at));
		return new Set(rows.map((row) => row.hash));
	});
	return hashes?.has(hash) ?? false;
}

/**
 * Redeems a sign-in link once. @returns its live token; null if the link is unknown, used or
 * expired
 */
export async function redeemSignInLink(db: D1Database, hash: string): Promise<Token | null> {
	const now = Date.now();
	const [used] = await drizzle(db)
		.update(signInLinks)
		.set({ used_at: now })
		.where(and(eq(signInLinks.hash, hash), isNull(signInLinks.used_at), gt(signInLinks.expires_at, now)))
		.returning({ token_id: signInLinks.token_id });
	if (!used) return null;
	const [token] = await drizzle(db)
		.select()
		.from(tokens)
		.where(and(eq(tokens.id, used.token_id), isNull(tokens.revoked_at)));
	return token ?? null;
}
