import { errors, jwtVerify, SignJWT } from "jose";

/** What a signed token is for; a token of one purpose is nothing to the others. */
export type Purpose = "lease" | "part" | "session";

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

function secret(key: string): Uint8Array {
	if (!key) throw new Error("SIGNING_KEY is not set");
	return new TextEncoder().encode(key);
}
