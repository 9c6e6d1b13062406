import * as z from "zod";
import type { Environment } from "../environment.ts";
import { sign, verify } from "./signing.ts";

const COOKIE = "windlass_session";
const SESSION_MS = 30 * 24 * 60 * 60_000;

/** The Set-Cookie value of a new session for whoever holds this token. Only a page behind TLS gets a Secure cookie. */
export async function sessionCookie(environment: Environment, tokenId: string, isSecure: boolean): Promise<string> {
	const value = await sign(environment.SIGNING_KEY, "session", { tokenId }, Date.now() + SESSION_MS);
	return cookie(value, SESSION_MS / 1000, isSecure);
}

/** The Set-Cookie value that ends a session. */
export function endedSessionCookie(isSecure: boolean): string {
	return cookie("", 0, isSecure);
}

function cookie(value: string, maxAge: number, isSecure: boolean): string {
	return `${COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${isSecure ? "; Secure" : ""}`;
}

/** The id of the token that the request's session stands for; null without a valid session. */
export async function sessionTokenId(environment: Environment, request: Request): Promise<string | null> {
	const cookies = (request.headers.get("Cookie") ?? "").split(/;\s*/);
	const value = cookies.find((part) => part.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
	if (!value) return null;
	const parsed = z.object({ tokenId: z.string() }).safeParse(await verify(environment.SIGNING_KEY, "session", value));
	return parsed.success ? parsed.data.tokenId : null;
}
