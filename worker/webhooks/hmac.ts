import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { BodyCheck } from "../http/checked_body.ts";

/**
 * Verifies that one of the signatures is the HMAC-SHA-256 (RFC 2104) of a prefix and the body.
 * @param signatures raw bytes; a signature of another length does not match
 */
export function checkHmac(key: Uint8Array, signatures: readonly Uint8Array[], prefix: Uint8Array = new Uint8Array()): BodyCheck {
	const mac = hmac.create(sha256, key).update(prefix);
	return {
		update: (chunk) => void mac.update(chunk),
		isAuthentic: () => {
			const own = mac.digest();
			return signatures.map((one) => isSame(one, own)).some(Boolean);
		},
	};
}

/** Compares in constant time. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
	if (a.byteLength !== b.byteLength) return false;
	return a.reduce((differing, byte, index) => differing | (byte ^ (b[index] as number)), 0) === 0;
}

/** The bytes of a hex text; null for any other text. */
export function bytesOfHex(text: string): Uint8Array | null {
	if (!/^(?:[0-9a-f]{2})+$/i.test(text)) return null;
	return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
