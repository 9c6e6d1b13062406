import { and, eq, gt, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { signInLinks, tokens } from "../../schema/database/tables.ts";

/** The tokens of people. Those of agents and of leases are the Dispatcher's. */
export type Token = typeof tokens.$inferSelect;

/** A valid token is trusted for this long without another look: every request has one. Revoking takes as long. */
const TRUST_MS = 2_000;
const MAX_TRUSTED = 1_000;
const trusted = new Map<string, { token: Token; until: number }>();

/** The live token with this hash; null if there is none. */
export async function findToken(db: D1Database, hash: string): Promise<Token | null> {
	return trustedOr(
		hash,
		async () =>
			(
				await drizzle(db)
					.select()
					.from(tokens)
					.where(and(eq(tokens.hash, hash), isNull(tokens.revoked_at)))
			)[0],
	);
}

/** The live token with this id; null if there is none (any more). */
export async function findTokenById(db: D1Database, id: string): Promise<Token | null> {
	return trustedOr(
		id,
		async () =>
			(
				await drizzle(db)
					.select()
					.from(tokens)
					.where(and(eq(tokens.id, id), isNull(tokens.revoked_at)))
			)[0],
	);
}

async function trustedOr(key: string, look: () => Promise<Token | undefined>): Promise<Token | null> {
	const now = Date.now();
	const known = trusted.get(key);
	if (known && known.until > now) return known.token;
	trusted.delete(key);
	const token = await look();
	if (!token) return null;
	if (trusted.size >= MAX_TRUSTED) trusted.clear();
	trusted.set(key, { token, until: now + TRUST_MS });
	return token;
}

/**
 * Uses up a sign-in link.
 * @returns the id of the token that it signs in; null if the link is unknown, used or expired
 */
export async function redeemSignInLink(db: D1Database, hash: string): Promise<string | null> {
	const now = Date.now();
	const [used] = await drizzle(db)
		.update(signInLinks)
		.set({ used_at: now })
		.where(and(eq(signInLinks.hash, hash), isNull(signInLinks.used_at), gt(signInLinks.expires_at, now)))
		.returning({ token_id: signInLinks.token_id });
	return used?.token_id ?? null;
}
