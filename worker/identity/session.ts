import { newId } from "../../schema/wire/ids.ts";
import { cookieIn, setCookie } from "./cookies.ts";
import { randomSecret, sha256 } from "./digest.ts";
import { addSession, findSession } from "./sessions_store.ts";
import type { SignedIn } from "./trusted_sessions.ts";

/**
 * The cookie of a session on the status page. It holds only a random secret; the session is a row,
 * so that it can be listed and ended.
 */

const NAME = "windlass_session";
const SESSION_MS = 30 * 24 * 60 * 60_000;
const MAX_USER_AGENT = 200;

interface NewSession {
	team: string;
	/** The token that opens the session. */
	tokenId: string;
	userAgent: string;
	address: string;
	/** How long it lasts; default: 30 days. */
	lifetimeMs?: number | undefined;
}

/** Opens a session. @returns its Set-Cookie value */
export async function openSession(
	db: D1Database,
	{ team, tokenId, userAgent, address, lifetimeMs = SESSION_MS }: NewSession,
	isSecure: boolean,
): Promise<string> {
	const secret = randomSecret();
	const now = Date.now();
	await addSession(db, {
		id: newId("session"),
		team,
		token_id: tokenId,
		hash: await sha256(secret),
		user_agent: userAgent.slice(0, MAX_USER_AGENT),
		address,
		created_at: now,
		expires_at: now + lifetimeMs,
		acts_in: null,
	});
	return setCookie(NAME, secret, lifetimeMs / 1000, isSecure);
}

/** The Set-Cookie value that deletes the cookie. */
export function endedSessionCookie(isSecure: boolean): string {
	return setCookie(NAME, "", 0, isSecure);
}

/** Whether a request has a session cookie, live or ended. */
export function showsSession(request: Request): boolean {
	return new RegExp(`(^|;\\s*)(__Host-|__Secure-)?${NAME}=[^;]`).test(request.headers.get("Cookie") ?? "");
}

/**
 * The live session of a request; null without one.
 * @param isSecure whether the browser uses HTTPS
 */
export async function sessionOf(db: D1Database, request: Request, isSecure: boolean): Promise<SignedIn | null> {
	const secret = cookieIn(request, NAME, isSecure);
	return secret ? findSession(db, await sha256(secret), Date.now()) : null;
}
