import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { type CacheManifest, savedCache } from "../../schema/wire/caches.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { log } from "../logger.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { untilAnswered } from "../transport/retry.ts";
import { packFolder } from "./archive/archiver.ts";
import type { PackedArchive, PackedPart } from "./archive/messages.ts";
import type { AssignedCache } from "./cache_keys.ts";
import { takeFrom } from "./place_roots.ts";
import { PLATFORM } from "./platform.ts";
import type { WarmCaches } from "./warm_caches.ts";

/**
 * Saves caches when their job is over: the agent moves the folders aside, and packs and uploads them
 * one after the other while the next jobs run. What cannot be saved is told in the agent's log; the
 * job has ended.
 */

/** What is saved, or only kept on this machine. */
export interface ToSave {
	project: string;
	key: string;
	paths: readonly string[];
	compression: AssignedCache["compression"];
	/** The address of the save. */
	url: string;
	workspace: string;
	roots: readonly string[];
}

const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;
/** The address of a save lasts an hour. */
const MOST_MS = 55 * 60_000;
/** How many caches wait to be saved: each takes room on the disk. */
const MOST_WAITING = 20;

export class CacheSaves {
	readonly #client: FileCoordinator;
	readonly #folder: string;
	readonly #warm: WarmCaches;
	readonly #stopped = new AbortController();
	readonly #isEmpty: Promise<void>;
	/** The saves of each project that have not ended. */
	readonly #waiting = new Map<string, Set<Promise<void>>>();
	#last: Promise<void> = Promise.resolve();
	#count = 0;

	/** @param folder where they are until they are saved: an earlier agent may have left some */
	constructor(client: FileCoordinator, folder: string, warm: WarmCaches) {
		this.#client = client;
		this.#folder = folder;
		this.#warm = warm;
		this.#isEmpty = removeFolder(folder).catch((error) => log("warn", `The agent cannot remove ${folder}: ${error}`));
	}

	/**
	 * Moves the folders of a cache out of a workspace, and saves them.
	 * @returns the moved ones
	 * @throws if too many wait, or for an error of the disk
	 */
	async save(one: ToSave): Promise<readonly string[]> {
		await this.#isEmpty;
		if (this.#count >= MOST_WAITING) throw new Error(`${MOST_WAITING} caches wait on this machine until they are saved`);
		const late = AbortSignal.timeout(MOST_MS);
		const folder = path.join(this.#folder, randomUUID());
		await mkdir(folder, { recursive: true, mode: 0o700 });
		const roots = await takeFrom(one.workspace, folder, one.roots).catch(async (error) => {
			await removeFolder(folder);
			throw error;
		});
		if (roots.length === 0) {
			await removeFolder(folder);
			return roots;
		}
		this.#count += 1;
		const saving = this.#last
			.then(() => this.#save({ ...one, roots }, folder, late))
			.finally(() => {
				this.#count -= 1;
			});
		this.#last = saving;
		const ofProject = this.#waiting.get(one.project) ?? new Set();
		this.#waiting.set(one.project, ofProject.add(saving));
		void saving.then(() => ofProject.delete(saving));
		return roots;
	}

	/** Resolves once the present saves of a project have ended: the next job may want one of them. */
	async settled(project: string): Promise<void> {
		await Promise.all(this.#waiting.get(project) ?? []);
	}

	/** Waits for all saves. */
	async end(): Promise<void> {
		await this.#last;
	}

	/** Ends what is being saved. */
	async stop(): Promise<void> {
		this.#stopped.abort(new Error("the agent ends"));
		await this.#last;
		await removeFolder(this.#folder);
	}

	/** Never throws. */
	async #save(one: ToSave, folder: string, late: AbortSignal): Promise<void> {
		const stopped = this.#stopped.signal;
		const started = performance.now();
		try {
			const packed = await this.#upload(one, folder, AbortSignal.any([stopped, late]));
			const { content, bytes, fingerprint } = packed;
			await this.#warm.keep({ content, roots: one.roots, bytes, fingerprint }, folder);
			const took = formatDuration(performance.now() - started);
			const left = packed.leftOut === 0 ? "" : `; ${packed.leftOut} entries are no files or have unusual names, and were left out`;
			log(
				"info",
				`cache ${one.key} saved: ${formatBytes(packed.bytes)} in ${packed.files} ${packed.files === 1 ? "file" : "files"} after ${took}${left}`,
			);
		} catch (error) {
			if (!stopped.aborted) log("warn", `The cache ${one.key} was not saved: ${(error as Error).message}`);
		} finally {
			await removeFolder(folder).catch((error) => log("warn", `The agent cannot remove ${folder}: ${error}`));
		}
	}

	async #upload({ compression, roots, paths, url }: ToSave, folder: string, signal: AbortSignal): Promise<PackedArchive> {
		const parts: CacheManifest["parts"] = [];
		const packed = await packFolder(
			folder,
			roots,
			compression,
			async (part) => {
				parts.push({ sha256: part.sha256, size: part.bytes.byteLength });
				await this.#putPart(`${url}/${parts.length}`, part, signal);
			},
			signal,
		);
		const json = {
			...{ content: packed.content, parts, files: packed.files, unpacked_bytes: packed.bytes },
			...{ paths: [...paths], platform: PLATFORM },
		} satisfies CacheManifest;
		await untilAnswered(() => this.#client.fetch(savedCache, { method: "POST", path: url, token: null, json, signal }), signal);
		return packed;
	}

	async #putPart(address: string, { bytes, sha256 }: PackedPart, signal: AbortSignal): Promise<void> {
		const call = {
			...({ method: "PUT", path: address, token: null, bytes, signal } as const),
			headers: { "Content-Length": String(bytes.byteLength), "X-Content-SHA256": sha256 },
			timeoutMs: PATIENCE_MS + Math.ceil(bytes.byteLength / MIN_BYTES_PER_MS),
		};
		await untilAnswered(() => this.#client.fetch(z.null(), call), signal);
	}
}
