import { fromBase64, toBase64 } from "../platform/bytes.ts";

/**
 * Signatures of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over
 * `id.timestamp.body`. Notifications carry such a signature, and webhooks of any program must
 * carry one.
 */

interface Message {
	id: string;
	/** Seconds since 1970. */
	timestamp: number;
	body: string;
}

/** The largest difference between the clocks of sender and receiver. */
export const TOLERANCE_S = 5 * 60;
/** A message carries a few signatures while its keys are rotated. */
const MAX_SIGNATURES = 10;

/** The headers of a signed message. */
export async function signMessage(message: Message, secret: string): Promise<Record<string, string>> {
	const key = await crypto.subtle.importKey("raw", keyBytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, signedPart(message)));
	return {
		"webhook-id": message.id,
		"webhook-timestamp": String(message.timestamp),
		"webhook-signature": `v1,${toBase64(signature)}`,
	};
}

/** The signatures in a header (`v1,… v1,…`) as bytes, without malformed ones. */
export function signaturesIn(header: string): Uint8Array[] {
	const named = header.split(" ").slice(0, MAX_SIGNATURES);
	return named.flatMap((one) => (one.startsWith("v1,") ? (decoded(one.slice("v1,".length)) ?? []) : []));
}

function signedPart({ id, timestamp, body }: Message): Uint8Array<ArrayBuffer> {
	return new Uint8Array(new TextEncoder().encode(`${id}.${timestamp}.${body}`));
}

/** The bytes of a secret: base64 after `whsec_`, else its UTF-8. */
export function keyBytes(secret: string): Uint8Array<ArrayBuffer> {
	const encoded = secret.startsWith("whsec_") ? decoded(secret.slice("whsec_".length)) : null;
	return encoded ?? new Uint8Array(new TextEncoder().encode(secret));
}

/** The bytes of base64 that somebody else wrote; null if it is not base64. */
function decoded(text: string): Uint8Array<ArrayBuffer> | null {
	try {
		return fromBase64(text);
	} catch {
		return null;
	}
}
