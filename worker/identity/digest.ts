import { hex } from "../platform/bytes.ts";

const encoder = new TextEncoder();

/** The SHA-256 of a text in hex; tokens are stored only in this form. */
export async function sha256(text: string): Promise<string> {
	return hex(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
}

/** 256 random bits as hex. */
export function randomSecret(): string {
	return hex(crypto.getRandomValues(new Uint8Array(32)));
}

/** Compares two texts in constant time. */
export async function isSameSecret(a: string, b: string): Promise<boolean> {
	const encode = (text: string) => crypto.subtle.digest("SHA-256", encoder.encode(text));
	return crypto.subtle.timingSafeEqual(await encode(a), await encode(b));
}
