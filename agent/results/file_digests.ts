import type { FileHandle } from "node:fs/promises";
import { MIB, PART_BYTES, SINGLE_PART_BYTES } from "../../schema/wire/limits.ts";
import { newSha256 } from "../files/hashing.ts";

/**
 * A file is read into one buffer of this size. A stream allocates a buffer for every 64 KiB, and
 * their collection takes longer than the hashing.
 */
const PIECE_BYTES = MIB;

export interface FileDigests {
	/** The sha256 of the whole file. */
	sha256: string;
	/** The sha256 of each part of a large file; empty for a file that is uploaded whole. */
	parts: string[];
}

/** Reads the first `size` bytes of a file once, for all its digests. The handle stays open. */
export async function digestsOf(file: FileHandle, size: number): Promise<FileDigests> {
	const whole = newSha256();
	const parts: string[] = [];
	const partBytes = size > SINGLE_PART_BYTES ? PART_BYTES : size;
	const buffer = Buffer.allocUnsafe(Math.min(size, PIECE_BYTES));
	let isWhole = true;
	for (let start = 0; start < size && isWhole; start += partBytes) {
		const end = Math.min(start + partBytes, size);
		const part = newSha256();
		for (let at = start; at < end && isWhole; ) {
			const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
			const bytes = buffer.subarray(0, bytesRead);
			whole.update(bytes);
			if (partBytes < size) part.update(bytes);
			at += bytesRead;
			// The file has become shorter: the coordinator will reject it.
			isWhole = bytesRead > 0;
		}
		if (partBytes < size) parts.push(part.digest("hex"));
	}
	return { sha256: whole.digest("hex"), parts };
}
