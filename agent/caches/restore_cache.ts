import { mkdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { type CacheUse, checkedCache, type FoundCache } from "../../schema/wire/caches.ts";
import { sha256 } from "../files/hashing.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { BadTransfer, TransferFailed, untilWhole } from "../results/transfer.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { unpackInto } from "./archive/archiver.ts";
import { BadArchive } from "./archive/bad_archive.ts";
import { placeInto } from "./place_roots.ts";
import type { WarmCaches } from "./warm_caches.ts";

export interface Restoring {
	client: FileCoordinator;
	attempt: { id: string; token: string };
	warm: WarmCaches;
	workspace: string;
	/** A folder on the disk of the workspace that does not exist: the cache is put together there. */
	staging: string;
	paths: readonly string[];
	signal: AbortSignal;
	writeLine(text: string): Promise<void>;
}

/** A cache cannot be restored. The sentence says why. */
class NotRestored extends Error {
	override name = "NotRestored";
}

/** A dead connection looks like a slow one, so a download has this time, and more for each byte. */
const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;

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
		roots ??= await fetchInto(restoring, found);
		const unplaced = await placeInto(workspace, staging, roots);
		if (unplaced.length > 0) await writeLine(`:: the source has something in the way of ${unplaced.join(", ")}`);
		return from;
	} catch (error) {
		signal.throwIfAborted();
		if (error instanceof BadArchive || (error instanceof TransferFailed && error.message.includes(DAMAGED))) await report(restoring, found);
		throw new NotRestored((error as Error).message);
	} finally {
		await removeFolder(staging);
	}
}

const DAMAGED = "its sha256 differs";

/** Downloads and unpacks at the same time. @returns the roots */
async function fetchInto(restoring: Restoring, found: FoundCache): Promise<readonly string[]> {
	const { staging, paths, signal } = restoring;
	await mkdir(staging, { mode: 0o700 });
	const bounds = { paths, files: found.files, bytes: found.unpacked_bytes };
	const { roots, content } = await unpackInto(staging, bounds, partsOf(restoring, found), signal);
	if (content !== found.content) throw new BadArchive("it is not the content that was saved");
	return roots;
}

/** The parts, each checked; the next one arrives while one is unpacked. */
async function* partsOf(restoring: Restoring, { parts, url }: FoundCache): AsyncGenerator<Uint8Array> {
	const fetch = (index: number) => fetchPart(restoring, `${url}/${index + 1}`, parts[index] as FoundCache["parts"][number]);
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
	{ client, attempt, signal, writeLine }: Restoring,
	path: string,
	part: FoundCache["parts"][number],
): Promise<Uint8Array> {
	let bytes = new Uint8Array();
	const timeoutMs = PATIENCE_MS + Math.ceil(part.size / MIN_BYTES_PER_MS);
	const download = async () => {
		const { body } = await client.stream({ path, token: attempt.token, timeoutMs, signal });
		bytes = await wholeOf(body, part.size);
		if (sha256(bytes) !== part.sha256) throw new BadTransfer("damaged", `A part of the cache is damaged: ${DAMAGED}`);
	};
	await untilWhole(download, signal, (text) => void writeLine(`:: ${text}`));
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

/** Tells the coordinator of a damaged cache, which looks for itself and removes it. */
async function report({ client, attempt, signal }: Restoring, { id }: FoundCache): Promise<void> {
	const call = {
		method: "POST",
		path: `/api/v1/attempts/${attempt.id}/caches/${id}/check`,
		token: attempt.token,
		json: {},
		signal,
	} as const;
	await untilAnswered(() => client.fetch(checkedCache, { ...call, timeoutMs: 120_000 }), signal).catch(() => undefined);
}
