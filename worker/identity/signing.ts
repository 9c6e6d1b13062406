import { errors, jwtVerify, SignJWT } from "jose";
import { hex } from "../platform/bytes.ts";

/** The purpose of a signed token; a token is valid for its own purpose only. */
export type Purpose = "lease" | "part" | "file";

const ALGORITHM = "HS256";

/**
 * Signs claims that expire: a JWS (RFC 7515) with HMAC-SHA-256.
 * @param expiresAt milliseconds since 1970
 */
export async function sign(key: string, purpose: Purpose, claims: Record<string, unknown>, expiresAt: number): Promise<string> {
	return new SignJWT(claims)
		.setProtectedHeader({ alg: ALGORITHM })
		.setAudience(purpose)
		.setExpirationTime(Math.ceil(expiresAt / 1000))
		.sign(secret(key));
}

/** The claims of a token for this purpose; null if it is forged, expired or for another purpose. */
export async function verify(key: string, purpose: Purpose, token: string): Promise<Record<string, unknown> | null> {
	try {
		const { payload } = await jwtVerify(token, secret(key), { algorithms: [ALGORITHM], audience: purpose });
		return payload;
	} catch (error) {
		if (error instanceof errors.JOSEError) return null;
		throw error;
	}
}

/** Derives a secret from a text, always the same one: HMAC-SHA-256 (RFC 2104) in hex. */
export async function derive(key: string, text: string): Promise<string> {
	const imported = await crypto.subtle.importKey("raw", secret(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	return hex(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

function secret(key: string): Uint8Array<ArrayBuffer> {
	if (!key) throw new Error("SIGNING_KEY is not set");
	return new Uint8Array(new TextEncoder().encode(key));
}
