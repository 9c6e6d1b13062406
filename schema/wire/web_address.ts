import * as z from "zod";

/** An address of HTTP or HTTPS without credentials. */
export function isWebAddress(text: string): boolean {
	return /^https?:\/\//.test(text) && URL.canParse(text) && !new URL(text).username && !new URL(text).password;
}

/** The address of a server, or of a part of it. */
export const webAddress = z
	.string()
	.max(1000)
	.refine(
		(text) => isWebAddress(text) && !/[?#]/.test(text),
		"is not an address such as https://id.example.org, without user, query and fragment",
	);
