import { joined } from "../wire/bytes.ts";

/** The byte that ends a line. */
export const NEWLINE = 10;

/** How many lines end in these bytes. */
export function newlinesIn(bytes: Uint8Array): number {
	let count = 0;
	for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
	return count;
}

/** Puts a prefix before each line of a text that comes in chunks. */
export class LinePrefixer {
	/** Whether the next byte begins a line. */
	isAtLineStart = true;

	/** @returns the bytes with `prefix` before each line that begins in them */
	push(prefix: Uint8Array, bytes: Uint8Array): Uint8Array {
		const parts: Uint8Array[] = [];
		for (let at = 0; at < bytes.byteLength; ) {
			if (this.isAtLineStart) parts.push(prefix);
			const end = bytes.indexOf(NEWLINE, at) + 1 || bytes.byteLength;
			parts.push(bytes.subarray(at, end));
			this.isAtLineStart = bytes[end - 1] === NEWLINE;
			at = end;
		}
		return joined(parts);
	}
}
