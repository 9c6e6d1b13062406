import { LRUCache } from "lru-cache";
import * as z from "zod";
import { fromBase64, hex, toBase64 } from "../platform/bytes.ts";

/**
 * Signed tokens: a JWS (RFC 7515) with HMAC-SHA-256 in compact form. Every token has the same
 * header, compared byte for byte, so a token cannot choose its algorithm.
 */

/** The purpose of a signed token; a token is valid for its own purpose only. */
export type Purpose = "lease" | "part" | "file" | "cache" | "cache_save" | "job" | "sign_in" | "approval";

/** `{"alg":"HS256"}` in base64url. */
const HEADER = "eyJhbGciOiJIUzI1NiJ9";
const encoder = new TextEncoder();

/**
 * Signs claims that expire.
 * @param expiresAt milliseconds since 1970
 */
export async function sign(key: string, purpose: Purpose, claims: Record<string, unknown>, expiresAt: number): Promise<string> {
	const payload = JSON.stringify({ ...claims, aud: purpose, exp: Math.ceil(expiresAt / 1000) });
	const signed = `${HEADER}.${toBase64Url(encoder.encode(payload))}`;
	const mac = await crypto.subtle.sign("HMAC", await keyOf(key), encoder.encode(signed));
	return `${signed}.${toBase64Url(new Uint8Array(mac))}`;
}

/** The claims of a token for this purpose; null if it is forged, expired or for another purpose. */
export async function verify(key: string, purpose: Purpose, token: string): Promise<Record<string, unknown> | null> {
	const [header, payload = "", mac = "", ...rest] = token.split(".");
	if (header !== HEADER || rest.length > 0) return null;
	const macBytes = fromBase64Url(mac);
	const payloadBytes = fromBase64Url(payload);
	if (macBytes === null || payloadBytes === null) return null;
	// The platform compares in constant time.
	const isAuthentic = await crypto.subtle.verify("HMAC", await keyOf(key), macBytes, encoder.encode(`${header}.${payload}`));
	if (!isAuthentic) return null;
	const { aud, exp, ...claims } = registeredClaims.safeParse(parsedJson(payloadBytes)).data ?? { exp: 0 };
	return aud === purpose && exp > Math.floor(Date.now() / 1000) ? claims : null;
}

/** The claims of every token (RFC 7519, 4.1): the purpose, and the end in seconds since 1970. */
const registeredClaims = z.looseObject({ aud: z.string(), exp: z.number() });

/** Undefined for other texts, which only a thief of the key can sign. */
function parsedJson(bytes: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder().decode(bytes));
	} catch {
		return undefined;
	}
}

/** Derives a secret from a text, always the same one: HMAC-SHA-256 (RFC 2104) in hex. */
export async function derive(key: string, text: string): Promise<string> {
	return hex(await crypto.subtle.sign("HMAC", await keyOf(key), encoder.encode(text)));
}

type ImportedKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** The imported keys: the present key and the former one. */
const imported = new LRUCache<string, ImportedKey>({ max: 4 });

async function keyOf(key: string): Promise<ImportedKey> {
	if (!key) throw new Error("SIGNING_KEY is not set");
	const known = imported.get(key);
	if (known) return known;
	const fresh = await crypto.subtle.importKey("raw", encoder.encode(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
	imported.set(key, fresh);
	return fresh;
}

/** Base64url without padding (RFC 4648, section 5). */
function toBase64Url(bytes: Uint8Array): string {
	return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The bytes of base64url; null for other texts. */
function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
	return /^[\w-]*$/.test(text) && text.length % 4 !== 1 ? fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")) : null;
}
