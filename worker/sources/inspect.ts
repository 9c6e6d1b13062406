import { MAX_SOURCE_UNPACKED_BYTES } from "../../schema/wire/limits.ts";
import { BadBundle, BundleRule, checkRatio } from "../../schema/wire/source_bundle.ts";
import { sleep } from "../platform/sleep.ts";
import { NotAnArchive, TarHeaders } from "./tar_headers.ts";

/** The entries of an archive, and their bytes. */
export interface Inspection {
	entries: number;
	bytes: number;
}

/** Room for headers and padding. */
const OVERHEAD_BYTES = 512 * 1024 * 1024;
/** How much gzip gets at a time: it may unpack to a thousand times as much. */
const CHUNK_BYTES = 16 * 1024;
/** How much is unpacked between two pauses for other requests. */
const BYTES_OF_SLICE = 4 * 1024 * 1024;

/**
 * Validates a bundle while it is uploaded: unpacks it in chunks and stores none of them.
 * @throws BadBundle with the entry; NotAnArchive for bytes that are no tar archive
 */
export async function inspectBundle(stream: ReadableStream<Uint8Array>): Promise<Inspection> {
	const rule = new BundleRule();
	const headers = new TarHeaders((entry) => rule.check(entry));
	const packed = { bytes: 0 };
	let bytes = 0;
	let sincePause = 0;
	try {
		for await (const chunk of await unpacked(stream, packed)) {
			bytes += chunk.byteLength;
			checkRatio(packed.bytes, bytes);
			sincePause += chunk.byteLength;
			if (sincePause > BYTES_OF_SLICE) {
				sincePause = 0;
				// A small archive arrives at once, and unpacking it never waits.
				await sleep(0);
			}
			if (bytes > MAX_SOURCE_UNPACKED_BYTES + OVERHEAD_BYTES)
				throw new BadBundle("the archive", `unpacks to more than ${MAX_SOURCE_UNPACKED_BYTES} bytes`);
			headers.push(chunk);
		}
		headers.end();
	} catch (error) {
		if (error instanceof BadBundle || error instanceof NotAnArchive) throw error;
		throw new NotAnArchive(`it is truncated or damaged after ${rule.entries} entries`);
	}
	if (rule.entries === 0) throw new NotAnArchive("it has no entries");
	return { entries: rule.entries, bytes: rule.bytes };
}

/**
 * The archive without gzip, which its first two bytes show (RFC 1952, 2.3.1).
 * @param packed counts the bytes that have been read
 */
async function unpacked(stream: ReadableStream<Uint8Array>, packed: { bytes: number }): Promise<ReadableStream<Uint8Array>> {
	const reader = stream.getReader();
	let first = new Uint8Array();
	while (first.byteLength < 2) {
		const { value, done } = await reader.read();
		if (done) throw new NotAnArchive("it is empty");
		packed.bytes += value.byteLength;
		const longer = new Uint8Array(first.byteLength + value.byteLength);
		longer.set(first);
		longer.set(value, first.byteLength);
		first = longer;
	}
	let rest: Uint8Array = first;
	const whole = new ReadableStream<Uint8Array>({
		async pull(controller) {
			if (rest.byteLength === 0) {
				const { done, value } = await reader.read();
				if (done) return controller.close();
				packed.bytes += value.byteLength;
				rest = value;
			}
			// gzip unpacks a whole chunk at once, whatever its unpacked size.
			controller.enqueue(rest.subarray(0, CHUNK_BYTES));
			rest = rest.subarray(CHUNK_BYTES);
		},
		cancel: (reason) => reader.cancel(reason),
	});
	const isGzip = first[0] === 0x1f && first[1] === 0x8b;
	return isGzip ? whole.pipeThrough(new DecompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>) : whole;
}
