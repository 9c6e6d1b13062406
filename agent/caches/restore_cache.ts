import { mkdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { type CacheUse, checkedCache, type FoundCache } from "../../schema/wire/caches.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { sha256 } from "../files/hashing.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { log } from "../logger.ts";
import { BadTransfer, TransferFailed, untilWhole } from "../results/transfer.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { unpackInto } from "./archive/archiver.ts";
import { BadArchive } from "./archive/bad_archive.ts";
import { placeInto } from "./place_roots.ts";
import type { WarmCaches } from "./warm_caches.ts";

/** What a download needs. */
interface Fetching {
	client: FileCoordinator;
	/** Sent beside the address, which is a credential itself; null: nothing is. */
	token: string | null;
	/** A folder that does not exist: the cache is put together there. */
	staging: string;
	paths: readonly string[];
	signal: AbortSignal;
	writeLine(text: string): Promise<void>;
}

/** `staging` is on the disk of the workspace. */
export interface Restoring extends Fetching {
	attemptId: string;
	token: string;
	warm: WarmCaches;
	workspace: string;
}

/** A cache cannot be restored. The sentence says why. */
class NotRestored extends Error {
	override name = "NotRestored";
}

/** A dead connection looks like a slow one, so a download has this time, and more for each byte. */
const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;
/** How long a job waits for a part that does not arrive. */
const GIVE_UP_MS = 3 * 60_000;
/** The coordinator reads the whole cache for it. */
const CHECK_MS = 10 * 60_000;

/**
 * Restores a cache into the workspace: from this machine, or from the coordinator. The workspace
 * gets it only as a whole.
 * @returns where it came from
 * @throws NotRestored
 */
export async function restoreCache(restoring: Restoring, found: FoundCache): Promise<NonNullable<CacheUse["from"]>> {
	const { warm, staging, workspace, signal, writeLine } = restoring;
	try {
		let roots = await warm.copyTo(found.content, staging, signal);
		const from = roots === null ? "coordinator" : "agent";
		if (roots === null) {
			roots = await fetchInto(restoring, found);
			await keep(restoring, found, roots);
		}
		const unplaced = await placeInto(workspace, staging, roots);
		if (unplaced.length > 0) await writeLine(`:: the source has something in the way of ${unplaced.join(", ")}`);
		return from;
	} catch (error) {
		signal.throwIfAborted();
		const isAnswer = error instanceof BadArchive || error instanceof TransferFailed || error instanceof ApiError;
		// Nobody waits for the coordinator to look: the job goes on.
		if (isAnswer) void report(restoring, found, error instanceof BadArchive).catch(() => undefined);
		throw new NotRestored((error as Error).message);
	} finally {
		await removeFolder(staging);
	}
}

/** Keeps a copy on this machine, before the job can change anything. */
async function keep(
	{ warm, staging, signal }: Restoring,
	{ content, unpacked_bytes }: FoundCache,
	roots: readonly string[],
): Promise<void> {
	try {
		await warm.keepCopy({ content, roots, bytes: unpacked_bytes }, staging, signal);
	} catch (error) {
		signal.throwIfAborted();
		log("warn", `A cache is not kept on this machine: ${(error as Error).message}`);
	}
}

/** Downloads and unpacks at the same time. @returns the roots */
export async function fetchInto(restoring: Fetching, found: FoundCache): Promise<readonly string[]> {
	const { staging, paths, signal } = restoring;
	await mkdir(staging, { mode: 0o700 });
	const bounds = { paths, files: found.files, bytes: found.unpacked_bytes };
	const { roots, content } = await unpackInto(staging, bounds, partsOf(restoring, found), signal);
	if (content !== found.content) throw new BadArchive("it is not the content that was saved");
	return roots;
}

/** The parts, each checked; the next one arrives while one is unpacked. */
async function* partsOf(restoring: Fetching, { parts, url }: FoundCache): AsyncGenerator<Uint8Array> {
	const fetch = (index: number) => fetchPart(restoring, url, index + 1, parts[index] as FoundCache["parts"][number]);
	let next = fetch(0);
	for (let index = 0; index < parts.length; index += 1) {
		const part = await next;
		if (index + 1 < parts.length) {
			next = fetch(index + 1);
			// The loop awaits it; until then its error is nobody's.
			next.catch(() => undefined);
		}
		yield part;
	}
}

async function fetchPart(
	{ client, token, signal, writeLine }: Fetching,
	url: string,
	number: number,
	part: FoundCache["parts"][number],
): Promise<Uint8Array> {
	let bytes = new Uint8Array();
	const late = AbortSignal.timeout(GIVE_UP_MS);
	const both = AbortSignal.any([signal, late]);
	const timeoutMs = PATIENCE_MS + Math.ceil(part.size / MIN_BYTES_PER_MS);
	const download = async () => {
		const { body } = await client.stream({ path: `${url}/${number}`, token, timeoutMs, signal: both });
		bytes = await wholeOf(body, part.size);
		if (sha256(bytes) !== part.sha256) throw new BadTransfer("damaged", "A part of the cache is damaged: its sha256 differs");
	};
	try {
		await untilWhole(download, both, (text) => void writeLine(`:: part ${number} of the cache: ${text}`));
	} catch (error) {
		if (late.aborted && !signal.aborted) throw new NotRestored(`part ${number} did not arrive within ${formatDuration(GIVE_UP_MS)}`);
		throw error;
	}
	return bytes;
}

async function wholeOf(body: Readable, size: number): Promise<Uint8Array<ArrayBuffer>> {
	const bytes = new Uint8Array(size);
	let length = 0;
	try {
		for await (const chunk of body) {
			if (length + chunk.length > size) break;
			bytes.set(chunk, length);
			length += chunk.length;
		}
	} catch (error) {
		throw new BadTransfer("interrupted", `The download of a part of the cache was interrupted: ${(error as Error).message}`);
	}
	return length === size ? bytes : bytes.subarray(0, length);
}

/** Tells the coordinator of a cache that is of no use, which looks for itself and removes it. */
async function report({ client, attemptId, token, signal }: Restoring, { id }: FoundCache, cannot_unpack: boolean): Promise<void> {
	const call = {
		method: "POST",
		path: `/api/v1/attempts/${attemptId}/caches/${id}/check`,
		token,
		json: { cannot_unpack },
		signal,
	} as const;
	await client.fetch(checkedCache, { ...call, timeoutMs: CHECK_MS });
}
