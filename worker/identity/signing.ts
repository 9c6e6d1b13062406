import { errors, jwtVerify, SignJWT } from "jose";
import { hex } from "../platform/bytes.ts";

/** What a signed token is for; a token of one purpose is nothing to the others. */
export type Purpose = "lease" | "part" | "file";

const ALGORITHM = "HS256";

/**
 * A token that proves its claims by the coordinator's signature and expires by itself: a JWS (RFC 7515) with HMAC-SHA-256.
 * @param expiresAt milliseconds since 1970
 */
export async function sign(key: string, purpose: Purpose, claims: Record<string, unknown>, expiresAt: number): Promise<string> {
	return new SignJWT(claims)
		.setProtectedHeader({ alg: ALGORITHM })
		.setAudience(purpose)
		.setExpirationTime(Math.ceil(expiresAt / 1000))
		.sign(secret(key));
}

/** The claims of a token for this purpose; null if it is forged, expired or for something else. */
export async function verify(key: string, purpose: Purpose, token: string): Promise<Record<string, unknown> | null> {
	try {
		const { payload } = await jwtVerify(token, secret(key), { algorithms: [ALGORITHM], audience: purpose });
		return payload;
	} catch (error) {
		if (error instanceof errors.JOSEError) return null;
		throw error;
	}
}

/** What only the holder of the key can derive from a text, and always the same: HMAC-SHA-256 (RFC 2104) in hex. */
export async function derive(key: string, text: string): Promise<string> {
	const imported = await crypto.subtle.importKey("raw", secret(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	return hex(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

function secret(key: string): Uint8Array<ArrayBuffer> {
	if (!key) throw new Error("SIGNING_KEY is not set");
	return new Uint8Array(new TextEncoder().encode(key));
}
