import { and, count, eq, gt, isNotNull, isNull, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { logins } from "../../schema/database/tables.ts";
import type { Role } from "../../schema/wire/permissions.ts";

/** The commands that ask to act as a person. */

export type LoginRow = typeof logins.$inferSelect;

/** Adds a request, and deletes those that have expired. */
export async function addLogin(db: D1Database, row: LoginRow): Promise<void> {
	const drizzled = drizzle(db);
	await drizzled.batch([drizzled.delete(logins).where(lt(logins.expires_at, row.created_at)), drizzled.insert(logins).values(row)]);
}

/** An undecided request by the code that a person has typed. */
export async function findUndecided(db: D1Database, code: string, now: number): Promise<LoginRow | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(logins)
		.where(and(eq(logins.code, code), isNull(logins.decided_by), gt(logins.expires_at, now)));
	return found;
}

export async function findByHash(db: D1Database, hash: string, now: number): Promise<LoginRow | undefined> {
	const [found] = await drizzle(db)
		.select()
		.from(logins)
		.where(and(eq(logins.hash, hash), isNull(logins.claimed_at), gt(logins.expires_at, now)));
	return found;
}

/** How many wait for a person, in all and of those that came from an address. */
export async function countUndecided(db: D1Database, address: string, now: number): Promise<{ all: number; ofAddress: number }> {
	const [found] = await drizzle(db)
		.select({ all: count(), ofAddress: count(sql`CASE WHEN ${logins.address} = ${address} THEN 1 END`) })
		.from(logins)
		.where(and(isNull(logins.decided_by), gt(logins.expires_at, now)));
	return found ?? { all: 0, ofAddress: 0 };
}

/** @returns false if somebody was first */
export async function decide(db: D1Database, hash: string, by: string, role: Role | null): Promise<boolean> {
	const decided = await drizzle(db)
		.update(logins)
		.set({ decided_by: by, role })
		.where(and(eq(logins.hash, hash), isNull(logins.decided_by)))
		.returning({ hash: logins.hash });
	return decided.length > 0;
}

/** @returns false if another request was first */
export async function claim(db: D1Database, hash: string, now: number): Promise<boolean> {
	const claimed = await drizzle(db)
		.update(logins)
		.set({ claimed_at: now })
		.where(and(eq(logins.hash, hash), isNull(logins.claimed_at), isNotNull(logins.decided_by)))
		.returning({ hash: logins.hash });
	return claimed.length > 0;
}
