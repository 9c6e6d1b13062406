import { createHash, randomBytes } from "node:crypto";
import { UsageError } from "../usage_error.ts";
import type { Database } from "./database.ts";

/**
 * The admin token and the sign-in link, written into D1 before the Worker serves. Only hashes are
 * stored.
 */

const TEAM = "default";
const LEAST_TOKEN_LENGTH = 32;
const SIGN_IN_LINK_MS = 10 * 60_000;

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

export function newAdminToken(): string {
	return `wlu_${randomBytes(24).toString("base64url")}`;
}

/**
 * Whether a preset token is short enough to be guessed. One that is in use already gets a warning,
 * not an error.
 */
export function isGuessable(token: string): boolean {
	return token.length < LEAST_TOKEN_LENGTH;
}

export const GUESSABLE_TOKEN = `WINDLASS_ADMIN_TOKEN has fewer than ${LEAST_TOKEN_LENGTH} characters and can be guessed. Set a longer one.`;

/**
 * Makes sure that there is an admin token: the preset one, or a new one at the first start.
 * @returns the token's id, and the token itself if this start made it
 * @throws UsageError for a preset token that is new and can be guessed
 */
export async function ensureAdminToken(database: Database, preset: string | null): Promise<{ token: string | null; tokenId: string }> {
	const live = "SELECT id, hash FROM tokens WHERE kind = 'admin' AND revoked_at IS NULL ORDER BY created_at DESC LIMIT 1";
	const known = (await database.batch([{ sql: live }]))[0]?.[0];
	if (known && (preset === null || known.hash === sha256(preset))) return { token: null, tokenId: String(known.id) };
	if (preset !== null && isGuessable(preset))
		throw new UsageError(`WINDLASS_ADMIN_TOKEN must have at least ${LEAST_TOKEN_LENGTH} characters. Make one with: openssl rand -hex 24`);
	const token = preset ?? newAdminToken();
	const tokenId = await replaceAdminToken(database, token);
	return { token: preset === null ? token : null, tokenId };
}

/**
 * Makes this the admin token and revokes the former one in the same transaction.
 * @returns the token's id
 */
export async function replaceAdminToken(database: Database, token: string): Promise<string> {
	const now = Date.now();
	const id = `tok_${sha256(token).slice(0, 26)}`;
	await database.batch([
		// A token that is set once more is live again: the sessions that it opened before must not
		// be.
		{ sql: "DELETE FROM sessions WHERE token_id IN (SELECT id FROM tokens WHERE kind = 'admin')" },
		{ sql: "UPDATE tokens SET revoked_at = ? WHERE kind = 'admin' AND revoked_at IS NULL", values: [now] },
		{
			sql: "INSERT INTO tokens (id, team, kind, name, hash, created_at) VALUES (?, ?, 'admin', 'admin', ?, ?) ON CONFLICT (hash) DO UPDATE SET revoked_at = NULL",
			values: [id, TEAM, sha256(token), now],
		},
	]);
	return id;
}

export function newSignInCode(): string {
	return randomBytes(24).toString("base64url");
}

/** Stores a code that signs a browser in once, and deletes expired ones. */
export async function storeSignInCode(database: Database, code: string, tokenId: string): Promise<void> {
	const now = Date.now();
	await database.batch([
		{
			sql: "INSERT INTO sign_in_links (hash, token_id, expires_at) VALUES (?, ?, ?)",
			values: [sha256(code), tokenId, now + SIGN_IN_LINK_MS],
		},
		{ sql: "DELETE FROM sign_in_links WHERE expires_at < ?", values: [now] },
	]);
}
