import { hex } from "../platform/bytes.ts";

/** The sha256 of a text in hex; the only form in which a token is stored. */
export async function sha256(text: string): Promise<string> {
	return hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** 256 bits of randomness as text that is safe in headers, addresses and shells. */
export function randomSecret(): string {
	return hex(crypto.getRandomValues(new Uint8Array(32)));
}

/** Whether two texts are equal, in a time that does not tell where they differ. */
export async function isSameSecret(a: string, b: string): Promise<boolean> {
	const encode = (text: string) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
	return crypto.subtle.timingSafeEqual(await encode(a), await encode(b));
}
