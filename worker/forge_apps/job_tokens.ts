import { and, eq, lt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { forgeTokens } from "../../schema/database/tables.ts";
import type { Environment } from "../bindings.ts";
import { openText, sealText } from "../secrets/service.ts";
import { createInstallationToken, type Installation, revokeInstallationToken } from "./installation_tokens.ts";

/**
 * The installation tokens of attempts. D1 keeps each encrypted until the attempt ends: a repeated
 * start gets the same token, and the end revokes it.
 */

/**
 * The token of an attempt for its repository; creates it at the first call.
 * @throws NotSent
 */
export async function tokenOfAttempt(environment: Environment, team: string, attemptId: string, at: Installation): Promise<string> {
	const stored = await readToken(environment, team, attemptId);
	if (stored) return stored.token;
	// One that is stored nevertheless has expired, or a rotation has deleted its key.
	await deleteToken(environment.DB, team, attemptId);
	const { token, expiresAt } = await createInstallationToken(at);
	const sealed = await sealText(environment, team, token, contextOf(team, attemptId));
	const row = { attempt_id: attemptId, team, api: at.api, ...sealed, expires_at: expiresAt };
	const inserted = await drizzle(environment.DB)
		.insert(forgeTokens)
		.values(row)
		.onConflictDoNothing()
		.returning({ id: forgeTokens.attempt_id });
	if (inserted.length > 0) return token;
	// A concurrent start was first.
	await revokeInstallationToken(at.api, token).catch(() => undefined);
	return (await readToken(environment, team, attemptId))?.token ?? token;
}

/**
 * Revokes the token of an attempt. Without one it does nothing.
 * @throws NotSent
 */
export async function revokeTokenOfAttempt(environment: Environment, team: string, attemptId: string): Promise<void> {
	const stored = await readToken(environment, team, attemptId);
	if (stored) await revokeInstallationToken(stored.api, stored.token);
	await deleteToken(environment.DB, team, attemptId);
}

async function deleteToken(db: D1Database, team: string, attemptId: string): Promise<void> {
	await drizzle(db)
		.delete(forgeTokens)
		.where(and(eq(forgeTokens.team, team), eq(forgeTokens.attempt_id, attemptId)));
}

/** Deletes the tokens that have expired. */
export async function deleteExpiredTokens(db: D1Database, now: number): Promise<void> {
	await drizzle(db).delete(forgeTokens).where(lt(forgeTokens.expires_at, now));
}

/** The stored token of an attempt; null without a valid one. */
async function readToken(environment: Environment, team: string, attemptId: string): Promise<{ api: string; token: string } | null> {
	const [row] = await drizzle(environment.DB)
		.select()
		.from(forgeTokens)
		.where(and(eq(forgeTokens.team, team), eq(forgeTokens.attempt_id, attemptId)));
	if (!row || row.expires_at <= Date.now()) return null;
	const token = await openText(environment, team, row, contextOf(team, attemptId));
	return token === null ? null : { api: row.api, token };
}

/** The context of a ciphertext: its row. */
function contextOf(team: string, attemptId: string): string {
	return JSON.stringify(["forge token", team, attemptId]);
}
