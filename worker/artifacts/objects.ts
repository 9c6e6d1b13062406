import type { ArtifactRow } from "../../schema/database/tables.ts";

/**
 * Artifacts in R2: a small file is one object, a large file is one object per part. R2's own
 * multipart uploads are not used: the local host reads them many times slower, from memory.
 */

type Stored = Pick<ArtifactRow, "key" | "size" | "part_bytes">;

/** The keys of a file's objects, in order. */
export function objectKeys({ key, size, part_bytes }: Stored): string[] {
	if (part_bytes === null) return [key];
	return Array.from({ length: Math.ceil(size / part_bytes) }, (_, index) => `${key}/${index + 1}`);
}

/**
 * Reads a file from `start` up to but not including `end`; null if it is missing. The stream breaks
 * off at a missing later part.
 */
export async function readArtifact(bucket: R2Bucket, file: Stored, start: number, end: number): Promise<ReadableStream | null> {
	if (start >= end) return new Blob([]).stream();
	const { part_bytes } = file;
	if (part_bytes === null) return (await bucket.get(file.key, { range: { offset: start, length: end - start } }))?.body ?? null;
	const keys = objectKeys(file);
	const open = (index: number) => {
		const partStart = index * part_bytes;
		const offset = Math.max(0, start - partStart);
		return bucket.get(keys[index] as string, { range: { offset, length: Math.min(part_bytes, end - partStart) - offset } });
	};
	const first = Math.floor(start / part_bytes);
	const last = Math.floor((end - 1) / part_bytes);
	const opened = await open(first);
	if (!opened) return null;
	const { readable, writable } = new FixedLengthStream(end - start);
	const copy = async () => {
		await opened.body.pipeTo(writable, { preventClose: first < last });
		for (let index = first + 1; index <= last; index += 1) {
			const part = await open(index);
			if (!part) throw new Error(`the object ${keys[index]} is missing`);
			await part.body.pipeTo(writable, { preventClose: index < last });
		}
	};
	// An error breaks off the reader's stream; a client disconnect ends the copy.
	copy().catch((error) => writable.abort(error).catch(() => undefined));
	return readable;
}
