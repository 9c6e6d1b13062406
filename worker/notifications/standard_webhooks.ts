/**
 * Signatures of messages, as Standard Webhooks has them (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. What is sent is signed so,
 * and what any program delivers to a hook must be.
 */

interface Message {
	id: string;
	/** Seconds since 1970. */
	timestamp: number;
	body: string;
}

/** How far the clocks of two may be apart. */
export const TOLERANCE_S = 5 * 60;
/** A message that is signed with several keys, while they are rotated, has a few. */
const MAX_SIGNATURES = 10;

/** The headers that a message carries. */
export async function signMessage(message: Message, secret: string): Promise<Record<string, string>> {
	const key = await crypto.subtle.importKey("raw", keyBytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
	const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, signedPart(message)));
	return {
		"webhook-id": message.id,
		"webhook-timestamp": String(message.timestamp),
		"webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}`,
	};
}

/** The signatures that a header names (`v1,… v1,…`), as bytes; what is not well formed is left out. */
export function signaturesIn(header: string): Uint8Array[] {
	const named = header.split(" ").slice(0, MAX_SIGNATURES);
	return named.flatMap((one) => (one.startsWith("v1,") ? (fromBase64(one.slice("v1,".length)) ?? []) : []));
}

function signedPart({ id, timestamp, body }: Message): Uint8Array<ArrayBuffer> {
	return new Uint8Array(new TextEncoder().encode(`${id}.${timestamp}.${body}`));
}

/** A secret that begins with `whsec_` goes on in base64; any other is taken as it is. */
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
