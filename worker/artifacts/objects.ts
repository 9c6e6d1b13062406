import type { ArtifactRow } from "../../schema/database/tables.ts";

/**
 * A file in R2: one object, or, where it is large, one for each of its parts. Not R2's own multipart uploads: what they are put together to is
 * read many times slower on the local host, and held in memory.
 */

type Stored = Pick<ArtifactRow, "key" | "size" | "part_bytes">;

/** The keys of a file's objects, in their order. */
export function objectKeys({ key, size, part_bytes }: Stored): string[] {
	if (part_bytes === null) return [key];
	return Array.from({ length: Math.ceil(size / part_bytes) }, (_, index) => `${key}/${index + 1}`);
}

/**
 * The bytes of a file from `start` up to and without `end`; null if it is not there.
 * The stream breaks off where a later part cannot be read.
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
			if (!part) throw new Error(`the object ${keys[index]} is gone`);
			await part.body.pipeTo(writable, { preventClose: index < last });
		}
	};
	// Whoever reads sees that it breaks off; a reader that goes away ends it.
	copy().catch((error) => writable.abort(error).catch(() => undefined));
	return readable;
}
