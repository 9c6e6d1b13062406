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
		"webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}`,
	};
}

/** The signatures in a header (`v1,… v1,…`) as bytes, without malformed ones. */
export function signaturesIn(header: string): Uint8Array[] {
	const named = header.split(" ").slice(0, MAX_SIGNATURES);
	return named.flatMap((one) => (one.startsWith("v1,") ? (fromBase64(one.slice("v1,".length)) ?? []) : []));
}

function signedPart({ id, timestamp, body }: Message): Uint8Array<ArrayBuffer> {
	return new Uint8Array(new TextEncoder().encode(`${id}.${timestamp}.${body}`));
}

/** The bytes of a secret: base64 after `whsec_`, else its UTF-8. */
export function keyBytes(secret: string): Uint8Array<ArrayBuffer> {
	const encoded = secret.startsWith("whsec_") ? fromBase64(secret.slice("whsec_".length)) : null;
	return encoded ?? new Uint8Array(new TextEncoder().encode(secret));
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
	try {
		return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
	} catch {
		return null;
	}
}
