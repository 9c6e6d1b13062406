/** AES-GCM, as everything here is encrypted: 256 bits, a random vector of 96 bits for each text, bound to the place where it belongs. */

/** An encrypted text: both in base64. */
export interface Encrypted {
	iv: string;
	text: string;
}

const IV_BYTES = 12;

/** @param context what the text belongs to; it opens nowhere else */
export async function encrypt(key: CryptoKey, text: string, context: string): Promise<Encrypted> {
	const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
	const encrypted = await crypto.subtle.encrypt(parameters(iv, context), key, new TextEncoder().encode(text));
	return { iv: toBase64(iv), text: toBase64(new Uint8Array(encrypted)) };
}

/** The text; null if the key or the context is not the one that it was encrypted with, or a byte was changed. */
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

export function toBase64(bytes: Uint8Array): string {
	return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
