import { ulid } from "ulid";
import type { SourceRow } from "../../schema/database/tables.ts";
import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import { BadBundle } from "../../schema/wire/source_bundle.ts";
import type { Environment } from "../bindings.ts";
import { clientDisconnected } from "../http/client_disconnect.ts";
import { hex } from "../platform/bytes.ts";
import { inspectBundle } from "./inspect.ts";
import { addSource, reuseSource, touchSource } from "./store.ts";
import { NotAnArchive } from "./tar_headers.ts";

/**
 * Stores a source bundle in R2 as a stream, hashes it, and validates its entries. A repeated upload
 * of the same content gets the same source.
 * @param size the exact number of bytes of `body`
 * @throws ApiError `validation_failed` with the invalid entry
 */
export async function storeSource(
	environment: Environment,
	team: string,
	body: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>,
	size: number,
): Promise<SourceRow> {
	const id = `${ID_PREFIXES.source}_${ulid()}`;
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

/**
 * Checks that the source of a pipeline exists, and keeps it for the run.
 * @throws ApiError `validation_failed`
 */
export async function requireSource(environment: Environment, team: string, source: ResolvedPipeline["source"]): Promise<void> {
	if (!source || !("upload" in source) || (await touchSource(environment.DB, team, source.upload))) return;
	throw new ApiError("validation_failed", `source.upload: The uploaded source ${source.upload} does not exist or has been deleted.`, {
		details: {
			errors: [
				{
					path: "source.upload",
					line: null,
					column: null,
					message: "The uploaded source does not exist or has been deleted.",
					suggestion: null,
				},
			],
		},
		suggestions: [
			"Submit again with windlass run, which uploads the working copy. The coordinator deletes a source after a day without use.",
		],
	});
}

async function copy(bucket: R2Bucket, key: string, body: AsyncIterable<Uint8Array>, size: number) {
	const stored = new FixedLengthStream(size);
	const digest = new crypto.DigestStream("SHA-256");
	const inspected = new TransformStream<Uint8Array, Uint8Array>();
	const writers = [stored.writable.getWriter(), digest.getWriter(), inspected.writable.getWriter()];
	// Each of the three gets a chunk before the next is read, which bounds memory.
	const feed = async () => {
		try {
			for await (const chunk of body) for (const writer of writers) await writer.write(chunk);
			for (const writer of writers) await writer.close();
		} catch (error) {
			for (const writer of writers) void writer.abort(error).catch(() => undefined);
			throw error;
		}
	};
	let firstError: unknown;
	const recordingError = <Value>(work: Promise<Value>): Promise<Value> =>
		work.catch((error) => {
			// The first error causes the others, which are ignored.
			firstError ??= error;
			for (const writer of writers) void writer.abort(error).catch(() => undefined);
			throw error;
		});
	const put = recordingError(bucket.put(key, stored.readable));
	const inspection = recordingError(inspectBundle(inspected.readable));
	await Promise.allSettled([inspection, recordingError(feed()), put]);
	if (firstError === undefined) return { sha256: hex(await digest.digest), ...(await inspection) };
	digest.digest.catch(() => undefined);
	await bucket.delete(key).catch(() => undefined);
	throw sourceError(firstError);
}

function sourceError(error: unknown): unknown {
	if (error instanceof BadBundle) {
		return new ApiError("validation_failed", `The source is rejected: ${error.message}.`, {
			details: { entry: error.entry },
			suggestions: ["Pack the folder without links that lead out of it: tar czf source.tar.gz -C folder ."],
		});
	}
	if (error instanceof NotAnArchive) {
		return new ApiError("validation_failed", `The source is not a tar archive: ${error.message}.`, {
			suggestions: ["Send a .tar or .tar.gz file: tar czf source.tar.gz -C folder ."],
		});
	}
	return clientDisconnected(error) ?? error;
}
