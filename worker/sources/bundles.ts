import type { SourceRow } from "../../schema/database/tables.ts";
import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import { BadBundle } from "../../schema/wire/source_bundle.ts";
import type { Environment } from "../bindings.ts";
import { clientDisconnected } from "../http/client_disconnect.ts";
import { hex } from "../platform/bytes.ts";
import { inspectBundle } from "./inspect.ts";
import { addSource, reuseSource, touchSource } from "./store.ts";
import { NotAnArchive } from "./tar_headers.ts";

/**
 * Takes a source bundle, streaming: into R2, through the digest, and past the rule that every entry must keep. The same content
 * again is the same source.
 * @param size the exact number of bytes that `body` gives
 * @throws ApiError `validation_failed` naming the entry that may not be part of a source
 */
export async function storeSource(
	environment: Environment,
	team: string,
	body: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
	size: number,
): Promise<SourceRow> {
	const id = newId("source");
	const key = `sources/${team}/${id}`;
	const { sha256, entries, bytes } = await copy(environment.BUCKET, key, body, size);
	const known = await reuseSource(environment.DB, team, sha256);
	if (known) {
		await environment.BUCKET.delete(key);
		return known;
	}
	const source: SourceRow = { id, team, sha256, size, entries, unpacked_bytes: bytes, key, used_at: Date.now() };
	await addSource(environment.DB, source);
	return source;
}

/** Whether what a pipeline is to be made of is there; then it stays as long as a run needs it. @throws ApiError `validation_failed` */
export async function requireSource(environment: Environment, team: string, source: ResolvedPipeline["source"]): Promise<void> {
	if (!source || !("upload" in source) || (await touchSource(environment.DB, team, source.upload))) return;
	throw new ApiError("validation_failed", `source: there is no uploaded source ${source.upload}`, {
		details: { errors: [{ path: "source.upload", line: null, column: null, message: "is not there (any more)", suggestion: null }] },
		suggestions: ["Upload it again: windlass run sends the working copy. The coordinator keeps an unused source for a day."],
	});
}

async function copy(bucket: R2Bucket, key: string, body: AsyncIterable<Uint8Array>, size: number) {
	const stored = new FixedLengthStream(size);
	const digest = new crypto.DigestStream("SHA-256");
	const inspected = new TransformStream<Uint8Array, Uint8Array>();
	const writers = [stored.writable.getWriter(), digest.getWriter(), inspected.writable.getWriter()];
	// Each of the three gets every chunk before the next is read: nothing piles up.
	const feed = async () => {
		try {
			for await (const chunk of body) for (const writer of writers) await writer.write(chunk);
			for (const writer of writers) await writer.close();
		} catch (error) {
			for (const writer of writers) void writer.abort(error).catch(() => undefined);
			throw error;
		}
	};
	let fault: unknown;
	const noting = <Value>(work: Promise<Value>): Promise<Value> =>
		work.catch((error) => {
			// The first fault is the cause of the others; the rest need not be read.
			fault ??= error;
			for (const writer of writers) void writer.abort(error).catch(() => undefined);
			throw error;
		});
	const put = noting(bucket.put(key, stored.readable));
	const inspection = noting(inspectBundle(inspected.readable));
	await Promise.allSettled([inspection, noting(feed()), put]);
	if (fault === undefined) return { sha256: hex(await digest.digest), ...(await inspection) };
	digest.digest.catch(() => undefined);
	await bucket.delete(key).catch(() => undefined);
	throw refusalOf(fault);
}

function refusalOf(fault: unknown): unknown {
	if (fault instanceof BadBundle) {
		return new ApiError("validation_failed", `The source cannot be taken: ${fault.message}.`, {
			details: { entry: fault.entry },
			suggestions: ["Pack the folder itself, without links out of it: tar czf source.tar.gz -C folder ."],
		});
	}
	if (fault instanceof NotAnArchive) {
		return new ApiError("validation_failed", `The source is not a tar archive: ${fault.message}.`, {
			suggestions: ["Send a .tar or .tar.gz file: tar czf source.tar.gz -C folder ."],
		});
	}
	return clientDisconnected(fault) ?? fault;
}
