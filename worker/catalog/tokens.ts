import { and, eq, gt, isNull } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { signInLinks, tokens } from "../../schema/database/tables.ts";
import { TrustedRows } from "./trusted_rows.ts";

/** The tokens of people. Those of agents and of leases are the Dispatcher's. */
export type Token = typeof tokens.$inferSelect;

const trusted = new TrustedRows<Token>();

/** The live token with this hash; null if there is none. */
export async function findToken(db: D1Database, hash: string): Promise<Token | null> {
	return trusted.get(hash, async () => {
		const [found] = await drizzle(db)
			.select()
			.from(tokens)
			.where(and(eq(tokens.hash, hash), isNull(tokens.revoked_at)));
		return found;
	});
}

/** Whether a token with this hash was valid when it was last looked up. */
export function wasValid(hash: string): boolean {
	return trusted.hasFound(hash);
}

/** The live token that a sign-in link stands for, which is used up by this; null if the link is unknown, used or expired. */
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
