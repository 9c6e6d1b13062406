import { and, desc, eq, gt, isNull, lt, or, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type SessionRow, sessions, tokens } from "../../schema/database/tables.ts";
import { type SignedIn, trustedSessions } from "./trusted_sessions.ts";

/** The sessions of the status page. */

export async function addSession(db: D1Database, session: SessionRow): Promise<void> {
	await drizzle(db).insert(sessions).values(session);
}

/**
 * The live session with this hash; null if it has ended or its token is revoked.
 * @param now milliseconds since 1970
 */
export async function findSession(db: D1Database, hash: string, now: number): Promise<SignedIn | null> {
	const found = await trustedSessions.get(hash, async () => (await liveSessions(db, now, eq(sessions.hash, hash)).limit(1))[0]);
	const isOver = found !== null && Math.min(found.session.expires_at, found.token.expires_at ?? Number.POSITIVE_INFINITY) <= now;
	return isOver ? null : found;
}

/** The live sessions of a team, newest first. */
export async function listSessions(db: D1Database, team: string, now: number, limit: number): Promise<SignedIn[]> {
	return liveSessions(db, now, eq(sessions.team, team)).orderBy(desc(sessions.created_at)).limit(limit);
}

function liveSessions(db: D1Database, now: number, which: SQL) {
	return drizzle(db)
		.select({ session: sessions, token: tokens })
		.from(sessions)
		.innerJoin(tokens, eq(tokens.id, sessions.token_id))
		.where(and(which, gt(sessions.expires_at, now), isNull(tokens.revoked_at), or(isNull(tokens.expires_at), gt(tokens.expires_at, now))))
		.$dynamic();
}

/**
 * Ends a session.
 * @param tokenId only a session that this token opened; null: any
 * @returns false if there is no such session
 */
export async function endSession(db: D1Database, team: string, id: string, tokenId: string | null): Promise<boolean> {
	return end(db, and(eq(sessions.team, team), eq(sessions.id, id), tokenId === null ? undefined : eq(sessions.token_id, tokenId)));
}

/** Sets the team in which an operator acts with a session; null: their own. */
export async function setActsIn(db: D1Database, id: string, team: string | null): Promise<void> {
	const changed = await drizzle(db).update(sessions).set({ acts_in: team }).where(eq(sessions.id, id)).returning({ hash: sessions.hash });
	for (const { hash } of changed) trustedSessions.evict(hash);
}

/** Ends all sessions of a team. */
export async function endSessions(db: D1Database, team: string): Promise<void> {
	await end(db, eq(sessions.team, team));
}

async function end(db: D1Database, which: SQL | undefined): Promise<boolean> {
	const ended = await drizzle(db).delete(sessions).where(which).returning({ hash: sessions.hash });
	for (const { hash } of ended) trustedSessions.evict(hash);
	return ended.length > 0;
}

/** Deletes the sessions that expired before this time. */
export async function deleteSessionsBefore(db: D1Database, before: number): Promise<void> {
	await drizzle(db).delete(sessions).where(lt(sessions.expires_at, before));
}
