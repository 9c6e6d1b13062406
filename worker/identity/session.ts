import { newId } from "../../schema/wire/ids.ts";
import { publicPath } from "../http/public_path.ts";
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
}

/** Opens a session. @returns its Set-Cookie value */
export async function openSession(db: D1Database, { team, tokenId, userAgent, address }: NewSession, isSecure: boolean): Promise<string> {
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
		expires_at: now + SESSION_MS,
	});
	return cookie(secret, SESSION_MS / 1000, isSecure);
}

/** The Set-Cookie value that deletes the cookie. */
export function endedSessionCookie(isSecure: boolean): string {
	return cookie("", 0, isSecure);
}

function cookie(value: string, maxAge: number, isSecure: boolean): string {
	const path = publicPath() || "/";
	return `${cookieName(isSecure)}=${value}; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${isSecure ? "; Secure" : ""}`;
}

/**
 * Over HTTPS the prefix `__Host-` binds the cookie to this host: no other host of the domain and
 * no page over plain HTTP can set it (RFC 6265bis, 4.1.3.2). It requires the path `/`. Below
 * another path, `__Secure-` excludes plain HTTP (4.1.3.1), and other programs on the host do not
 * get the cookie.
 */
function cookieName(isSecure: boolean): string {
	if (!isSecure) return NAME;
	return publicPath() === "" ? `__Host-${NAME}` : `__Secure-${NAME}`;
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
	const name = cookieName(isSecure);
	const cookies = (request.headers.get("Cookie") ?? "").split(/;\s*/);
	const secret = cookies.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
	return secret ? findSession(db, await sha256(secret), Date.now()) : null;
}
