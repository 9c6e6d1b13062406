import { deleteObjects } from "../platform/delete_objects.ts";
import { indexKeyOf } from "./line_counter.ts";

/** A log in R2: an object of its own, or a part of a pack. */
export interface StoredLog {
	key: string;
	/** Where it begins in its pack; null for an object of its own. */
	offset: number | null;
	bytes: number;
}

/**
 * Deletes logs from R2, before their rows no longer name them. In a pack, zeros replace them. The pack
 * itself goes in the next retention sweep in which nobody names it: only the queue knows of logs that
 * the record does not have yet.
 */
export async function deleteLogs(bucket: R2Bucket, logs: readonly StoredLog[]): Promise<void> {
	const ofTheirOwn = logs.filter(({ offset }) => offset === null);
	await deleteObjects(
		bucket,
		ofTheirOwn.flatMap(({ key }) => [key, indexKeyOf(key)]),
	);
	const packed = logs.filter(({ offset }) => offset !== null);
	for (const [key, ofPack] of Map.groupBy(packed, (log) => log.key)) await erase(bucket, key, ofPack);
}

/** Writes zeros over logs in a pack. Another deletion may write the same pack meanwhile. */
async function erase(bucket: R2Bucket, key: string, logs: readonly StoredLog[]): Promise<void> {
	for (;;) {
		const object = await bucket.get(key);
		if (!object) return;
		const content = new Uint8Array(await object.arrayBuffer());
		for (const { offset, bytes } of logs) content.fill(0, offset ?? 0, (offset ?? 0) + bytes);
		const written = await bucket.put(key, content, { onlyIf: { etagMatches: object.etag }, httpMetadata: object.httpMetadata ?? {} });
		if (written) return;
	}
}
