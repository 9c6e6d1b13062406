import * as fc from "fast-check";

/** Bytes that went wrong on their way, and bytes that come in pieces. */

/** One thing that happens to bytes; `at` counts in parts of 2^20 of their length, so that it fits bytes of any length. */
export interface ByteEdit {
	kind: "flip" | "set" | "insert" | "delete" | "repeat" | "truncate" | "swap";
	at: number;
	size: number;
	bytes: Uint8Array;
}

const WHOLE = 2 ** 20;

const byteEdit: fc.Arbitrary<ByteEdit> = fc.record({
	kind: fc.constantFrom("flip", "set", "insert", "delete", "repeat", "truncate", "swap"),
	at: fc.nat(WHOLE),
	size: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) }, fc.integer({ min: 1, max: 600 })),
	bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
});

/** A few things that happen to bytes. */
export function byteEdits(most: number, least = 0): fc.Arbitrary<ByteEdit[]> {
	return fc.array(byteEdit, { minLength: least, maxLength: most });
}

export function edited(original: Uint8Array, edits: readonly ByteEdit[]): Uint8Array {
	return edits.reduce((bytes, edit) => withEdit(bytes, edit), original);
}

function withEdit(bytes: Uint8Array, { kind, at, size, bytes: other }: ByteEdit): Uint8Array {
	const from = Math.floor((at / (WHOLE + 1)) * bytes.byteLength);
	const end = Math.min(bytes.byteLength, from + size);
	const before = bytes.subarray(0, from);
	const part = bytes.subarray(from, end);
	const after = bytes.subarray(end);
	switch (kind) {
		case "flip":
			return joined([before, part.map((byte) => byte ^ (1 << (size % 8))), after]);
		case "set":
			return joined([before, part.map((_, index) => other[index % other.byteLength] ?? 0), after]);
		case "insert":
			return joined([before, other, part, after]);
		case "delete":
			return joined([before, after]);
		case "repeat":
			return joined([before, part, part, part, after]);
		case "truncate":
			return joined([before]);
		case "swap":
			return joined([before, after.subarray(0, size), part, after.subarray(size)]);
	}
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
	return new Uint8Array(Buffer.concat(parts));
}

/** Lengths of pieces, used over and over again. */
export const pieceSizes: fc.Arbitrary<number[]> = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 4096 })), {
	minLength: 1,
	maxLength: 8,
});

/** The bytes in pieces of these lengths. */
export function piecesOf(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
	const pieces: Uint8Array[] = [];
	for (let at = 0; at < bytes.byteLength; ) {
		const size = sizes[pieces.length % sizes.length] ?? 1;
		pieces.push(bytes.slice(at, at + size));
		at += size;
	}
	return pieces;
}

export function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}
