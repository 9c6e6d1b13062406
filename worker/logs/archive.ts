import { MIB } from "../../schema/wire/limits.ts";
import { hex } from "../platform/bytes.ts";
import { indexKeyOf } from "./line_counter.ts";
import type { LogRow, LogStore } from "./log_store.ts";

const SLICE_BYTES = MIB;
const CREATE_ONLY = { onlyIf: { etagDoesNotMatch: "*" }, httpMetadata: { contentType: "text/plain; charset=utf-8" } };

/** The R2 object of an archived log, null for an empty log, and its sha256 in hex. */
export interface ArchivedObject {
	key: string | null;
	sha256: string;
}

/** A log that is already in R2; null if it is not. */
export async function findArchivedLog(bucket: R2Bucket, key: string): Promise<(ArchivedObject & { bytes: number }) | null> {
	const object = await bucket.get(key);
	if (!object) return null;
	const { size: bytes } = object;
	if (bytes <= SLICE_BYTES) return { key, bytes, sha256: hex(await crypto.subtle.digest("SHA-256", await object.arrayBuffer())) };
	const digest = new crypto.DigestStream("SHA-256");
	await object.body.pipeTo(digest);
	return { key, bytes, sha256: hex(await digest.digest) };
}

/**
 * Writes a closed log to R2 as one plain object, and computes its sha256. The write is create-only.
 * The key holds the lease, so an existing object is this log: its end was not recorded.
 */
export async function archive(bucket: R2Bucket, store: LogStore, log: LogRow): Promise<ArchivedObject> {
	const key = log.bytes === 0 ? null : log.key;
	if (key === null || log.bytes <= SLICE_BYTES) {
		const bytes = store.read(log.attempt_id, 0, log.bytes);
		if (key !== null) await bucket.put(key, bytes, CREATE_ONLY);
		return { key, sha256: hex(await crypto.subtle.digest("SHA-256", bytes)) };
	}
	// The index comes first: a reader that finds the log then finds its index. Without an index,
	// lines are counted.
	await bucket.put(indexKeyOf(key), JSON.stringify(store.lineIndex(log)), CREATE_ONLY);
	const isThere = (await bucket.head(key)) !== null;
	const { readable, writable } = new FixedLengthStream(log.bytes);
	const upload = isThere ? readable.cancel() : bucket.put(key, readable, CREATE_ONLY);
	const writer = isThere ? null : writable.getWriter();
	const digest = new crypto.DigestStream("SHA-256");
	const hash = digest.getWriter();
	const copy = async () => {
		for (let offset = 0; offset < log.bytes; offset += SLICE_BYTES) {
			const slice = store.read(log.attempt_id, offset, SLICE_BYTES);
			await hash.write(slice);
			await writer?.write(slice);
		}
		await writer?.close();
		await hash.close();
	};
	await Promise.all([upload, copy()]);
	return { key, sha256: hex(await digest.digest) };
}
