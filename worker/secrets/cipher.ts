import { fromBase64, toBase64 } from "../platform/bytes.ts";

/**
 * AES-GCM with 256-bit keys, a random 96-bit vector for each text, and the context as additional
 * data.
 */

/** An encrypted text; both fields in base64. */
export interface Encrypted {
	iv: string;
	text: string;
}

const IV_BYTES = 12;

/** @param context the owner of the text; decryption needs the same context */
export async function encrypt(key: CryptoKey, text: string, context: string): Promise<Encrypted> {
	const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
	const encrypted = await crypto.subtle.encrypt(parameters(iv, context), key, new TextEncoder().encode(text));
	return { iv: toBase64(iv), text: toBase64(new Uint8Array(encrypted)) };
}

/** The text; null for another key, another context or a changed byte. */
export async function decrypt(key: CryptoKey, { iv, text }: Encrypted, context: string): Promise<string | null> {
	try {
		return new TextDecoder().decode(await crypto.subtle.decrypt(parameters(fromBase64(iv), context), key, fromBase64(text)));
	} catch (error) {
		if ((error as Error).name === "OperationError") return null;
		throw error;
	}
}

function parameters(iv: Uint8Array<ArrayBuffer>, context: string) {
	return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(context) };
}
