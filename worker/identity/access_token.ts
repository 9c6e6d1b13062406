import { calculateJwkThumbprint, type JWK, jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import type { Environment } from "../bindings.ts";
import { derive } from "./signing.ts";

/**
 * Access tokens of sign-ins: JWTs (RFC 9068) with Ed25519, so that other programs verify them with a
 * public key alone. They point to a token of the team, which says what they open and can be revoked.
 */

export const ACCESS_TOKEN_S = 15 * 60;
const ALGORITHM = "EdDSA";
const TYPE = "at+jwt";
const AUDIENCE = "windlass";
/** What comes before the seed of an Ed25519 key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_HEAD = "302e020100300506032b657004220420";
/** Any JWT begins so: `{"`. */
const BEGINNING = /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/;

/** Whether a token may be an access token. */
export function isAccessToken(token: string): boolean {
	return BEGINNING.test(token);
}

/**
 * @param tokenId the token of the team that it stands for
 * @param issuer the address of this coordinator
 */
export async function signAccessToken({ SIGNING_KEY }: Environment, tokenId: string, issuer: string): Promise<string> {
	const { signing, published } = await keyPair(SIGNING_KEY);
	return new SignJWT({ client_id: "windlass" })
		.setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: published.kid ?? "" })
		.setIssuer(issuer)
		.setAudience(AUDIENCE)
		.setSubject(tokenId)
		.setJti(crypto.randomUUID())
		.setIssuedAt()
		.setExpirationTime(`${ACCESS_TOKEN_S} s`)
		.sign(signing);
}

/** The id of the token that an access token stands for; null if it is forged, expired or for something else. */
export async function verifyAccessToken({ SIGNING_KEY }: Environment, token: string): Promise<string | null> {
	try {
		const options = { algorithms: [ALGORITHM], audience: AUDIENCE, typ: TYPE, requiredClaims: ["exp", "iat", "sub", "jti"] };
		const { verifying } = await keyPair(SIGNING_KEY);
		const { payload } = await jwtVerify(token, verifying, options);
		const isFromFuture = (payload.iat ?? 0) > Date.now() / 1_000 + 60;
		return isFromFuture ? null : (payload.sub ?? null);
	} catch {
		return null;
	}
}

/** The key that verifies access tokens, as a JWK Set (RFC 7517, section 5). A former key counts no more: commands get new tokens. */
export async function publicKeys({ SIGNING_KEY }: Environment): Promise<{ keys: JWK[] }> {
	return { keys: [(await keyPair(SIGNING_KEY)).published] };
}

interface KeyPair {
	signing: CryptoKey;
	verifying: CryptoKey;
	published: JWK;
}

/** The pair of the signing key. */
const pairs = new LRUCache<string, KeyPair>({ max: 1 });

/** Made from the signing key, so that it is kept, backed up and rotated with it. */
async function keyPair(signingKey: string): Promise<KeyPair> {
	const known = pairs.get(signingKey);
	if (known) return known;
	const seed = await derive(signingKey, "access tokens");
	const pkcs8 = Uint8Array.from((PKCS8_HEAD + seed).match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
	const signing = await crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, true, ["sign"]);
	const { kty, crv, x } = (await crypto.subtle.exportKey("jwk", signing)) as JWK;
	const key = { kty, crv, x } as JsonWebKey & { kty: string };
	const published = { ...key, kid: await calculateJwkThumbprint(key), alg: ALGORITHM, use: "sig" };
	const verifying = await crypto.subtle.importKey("jwk", key, { name: "Ed25519" }, false, ["verify"]);
	const pair = { signing, verifying, published };
	pairs.set(signingKey, pair);
	return pair;
}
