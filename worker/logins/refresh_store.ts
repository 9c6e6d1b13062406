import { and, eq, gt, isNull, lt, notInArray, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { refreshTokens, tokens } from "../../schema/database/tables.ts";

/** The refresh tokens of commands, by their hashes. */

/** How long a used one is kept. A second use after that is refused like any unknown one. */
const KEPT_MS = 7 * 24 * 60 * 60_000;

/** Adds one of a family, and deletes those of it that were used long ago. */
export async function addRefreshToken(db: D1Database, hash: string, tokenId: string, now: number): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([
		drizzled.insert(refreshTokens).values({ hash, token_id: tokenId, created_at: now, used_at: null }),
		drizzled.delete(refreshTokens).where(and(eq(refreshTokens.token_id, tokenId), lt(refreshTokens.used_at, now - KEPT_MS))),
	]);
}

/** The token that a refresh token is of; undefined if it is unknown. */
export async function findRefreshToken(db: D1Database, hash: string): Promise<{ tokenId: string } | undefined> {
	const [found] = await drizzle(db).select({ tokenId: refreshTokens.token_id }).from(refreshTokens).where(eq(refreshTokens.hash, hash));
	return found;
}

/** @returns false if it was used before */
export async function useRefreshToken(db: D1Database, hash: string, now: number): Promise<boolean> {
	const used = await drizzle(db)
		.update(refreshTokens)
		.set({ used_at: now })
		.where(and(eq(refreshTokens.hash, hash), isNull(refreshTokens.used_at)))
		.returning({ hash: refreshTokens.hash });
	return used.length > 0;
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
