import { and, desc, eq, gt, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { signInLinks, tokens } from "../../schema/database/tables.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** The tokens of people. The Dispatcher stores the tokens of agents and leases. */
export type Token = typeof tokens.$inferSelect;

const trusted = new TrustedRows<Token>();

/** The live token with this hash; null without one. */
export async function findToken(db: D1Database, hash: string): Promise<Token | null> {
	return trusted.get(hash, async () => {
		const [found] = await drizzle(db)
			.select()
			.from(tokens)
			.where(and(eq(tokens.hash, hash), isNull(tokens.revoked_at)));
		return found;
	});
}

/** The tokens of a team, newest first, without their hashes. */
export async function listTokens(db: D1Database, team: string): Promise<Omit<Token, "hash" | "team">[]> {
	const { id, kind, name, created_at, revoked_at } = tokens;
	return drizzle(db)
		.select({ id, kind, name, created_at, revoked_at })
		.from(tokens)
		.where(eq(tokens.team, team))
		.orderBy(desc(tokens.created_at));
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
