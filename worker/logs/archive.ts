import { MIB } from "../../schema/wire/limits.ts";
import { hex } from "../platform/bytes.ts";
import { indexKeyOf } from "./line_counter.ts";
import type { LogRow, LogStore } from "./log_store.ts";

const SLICE_BYTES = MIB;
const CREATE_ONLY = { onlyIf: { etagDoesNotMatch: "*" }, httpMetadata: { contentType: "text/plain; charset=utf-8" } };

/** The R2 object of a finished log, null for an empty one, and its sha256 in hex. */
export interface ArchivedObject {
	key: string | null;
	sha256: string;
}

/** A finished log that lies in R2 already; null if it does not. */
export async function archivedBefore(bucket: R2Bucket, key: string): Promise<(ArchivedObject & { bytes: number }) | null> {
	const object = await bucket.get(key);
	if (!object) return null;
	const { size: bytes } = object;
	if (bytes <= SLICE_BYTES) return { key, bytes, sha256: hex(await crypto.subtle.digest("SHA-256", await object.arrayBuffer())) };
	const digest = new crypto.DigestStream("SHA-256");
	await object.body.pipeTo(digest);
	return { key, bytes, sha256: hex(await digest.digest) };
}

/**
 * Writes a finished log to R2 as one plain object, and its sha256 on the way. The object is created only if it is not
 * there: its name holds the lease, so an object of that name is this very log, from a try whose end was not noted.
 */
export async function archive(bucket: R2Bucket, store: LogStore, log: LogRow): Promise<ArchivedObject> {
	const key = log.bytes === 0 ? null : log.key;
	if (key === null || log.bytes <= SLICE_BYTES) {
		const bytes = store.read(log.attempt_id, 0, log.bytes);
		if (key !== null) await bucket.put(key, bytes, CREATE_ONLY);
		return { key, sha256: hex(await crypto.subtle.digest("SHA-256", bytes)) };
	}
	// Before the log itself: whoever finds the log finds its index. A log without one is counted through.
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
