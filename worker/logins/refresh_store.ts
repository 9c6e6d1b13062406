import { and, eq, gt, isNull, notInArray, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { refreshTokens, tokens } from "../../schema/database/tables.ts";

/** The refresh tokens of commands, by their hashes. */

/** How long a used one is kept. A second use after that is refused like any unknown one. */
const KEPT_MS = 7 * 24 * 60 * 60_000;

/** Adds the first one of a family. */
export async function addRefreshToken(db: D1Database, hash: string, tokenId: string, now: number): Promise<void> {
	await drizzle(db).insert(refreshTokens).values({ hash, token_id: tokenId, created_at: now, used_at: null });
}

/** The token that a refresh token is of; undefined if it is unknown. */
export async function findRefreshToken(db: D1Database, hash: string): Promise<{ tokenId: string } | undefined> {
	const [found] = await drizzle(db).select({ tokenId: refreshTokens.token_id }).from(refreshTokens).where(eq(refreshTokens.hash, hash));
	return found;
}

/**
 * Uses a refresh token, and adds the next one of its family in the same transaction.
 * @returns false if it was used before
 */
export async function exchangeRefreshToken(
	db: D1Database,
	hash: string,
	next: { hash: string; tokenId: string },
	now: number,
): Promise<boolean> {
	const use = "UPDATE refresh_tokens SET used_at = ?1 WHERE hash = ?2 AND used_at IS NULL RETURNING hash";
	// In the same millisecond a second use adds one, too: it ends the family, with all of them.
	const add = `INSERT INTO refresh_tokens (hash, token_id, created_at, used_at)
		SELECT ?1, ?2, ?3, NULL WHERE EXISTS (SELECT 1 FROM refresh_tokens WHERE hash = ?4 AND used_at = ?3)`;
	const clean = "DELETE FROM refresh_tokens WHERE token_id = ?1 AND used_at < ?2";
	const [used] = await db.batch([
		db.prepare(use).bind(now, hash),
		db.prepare(add).bind(next.hash, next.tokenId, now, hash),
		db.prepare(clean).bind(next.tokenId, now - KEPT_MS),
	]);
	return (used?.results.length ?? 0) > 0;
}

/** Whether a token stands for a sign-in of a command. */
export async function isSignIn(db: D1Database, tokenId: string): Promise<boolean> {
	const found = await drizzle(db).select().from(refreshTokens).where(eq(refreshTokens.token_id, tokenId)).limit(1);
	return found.length > 0;
}

/** Deletes those of a family that has ended. */
export async function deleteFamily(db: D1Database, tokenId: string): Promise<void> {
	await drizzle(db).delete(refreshTokens).where(eq(refreshTokens.token_id, tokenId));
}

/** Deletes those whose token has expired, was revoked, or is gone. */
export async function deleteEndedRefreshTokens(db: D1Database, now: number): Promise<void> {
	const drizzled = drizzle(db);
	const live = drizzled
		.select({ id: tokens.id })
		.from(tokens)
		.where(and(isNull(tokens.revoked_at), or(isNull(tokens.expires_at), gt(tokens.expires_at, now))));
	await drizzled.delete(refreshTokens).where(notInArray(refreshTokens.token_id, live));
}
