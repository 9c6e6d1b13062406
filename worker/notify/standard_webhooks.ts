/**
 * Signatures of messages, as Standard Webhooks has them (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body`. What is sent is signed so,
 * and what any program delivers to a hook must be.
 */

export interface Message {
	id: string;
	/** Seconds since 1970. */
	timestamp: number;
	body: string | Uint8Array<ArrayBuffer>;
}

/** How far the clocks of two may be apart. */
export const TOLERANCE_S = 5 * 60;

/** The headers that a message carries. */
export async function signMessage(message: Message, secret: string): Promise<Record<string, string>> {
	const signature = new Uint8Array(await crypto.subtle.sign("HMAC", await keyOf(secret, "sign"), signedPart(message)));
	return {
		"webhook-id": message.id,
		"webhook-timestamp": String(message.timestamp),
		"webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}`,
	};
}

/** Whether one of the signatures (`v1,… v1,…`) is that of the message. In constant time. */
export async function isSigned(message: Message, signatures: string, secret: string): Promise<boolean> {
	const key = await keyOf(secret, "verify");
	const signed = signedPart(message);
	for (const one of signatures.split(" ").slice(0, 10)) {
		const bytes = one.startsWith("v1,") ? fromBase64(one.slice(3)) : null;
		if (bytes && (await crypto.subtle.verify("HMAC", key, bytes, signed))) return true;
	}
	return false;
}

function signedPart({ id, timestamp, body }: Message): Uint8Array<ArrayBuffer> {
	const head = new TextEncoder().encode(`${id}.${timestamp}.`);
	const rest = typeof body === "string" ? new TextEncoder().encode(body) : body;
	const whole = new Uint8Array(head.byteLength + rest.byteLength);
	whole.set(head);
	whole.set(rest, head.byteLength);
	return whole;
}

/** A secret that begins with `whsec_` goes on in base64; any other is taken as it is. */
function keyOf(secret: string, use: "sign" | "verify"): Promise<CryptoKey> {
	const encoded = secret.startsWith("whsec_") ? fromBase64(secret.slice("whsec_".length)) : null;
	const bytes = encoded ?? new TextEncoder().encode(secret);
	return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, [use]);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
	try {
		return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
	} catch {
		return null;
	}
}
