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
import { digestFolder, packFolder } from "./archive/archiver.ts";
import type { PackedArchive, PackedPart } from "./archive/messages.ts";
import type { AssignedCache } from "./cache_keys.ts";
import { takeFrom } from "./place_roots.ts";
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
	compression: AssignedCache["compression"];
	/** The address of the save; null: only this machine keeps the content, if it is still the one. */
	url: string | null;
	/** What the workspace began with; null without it. */
	content: string | null;
	workspace: string;
	roots: readonly string[];
}

const PATIENCE_MS = 30_000;
const MIN_BYTES_PER_MS = 256;
/** The address of a save lasts an hour. */
const MOST_MS = 55 * 60_000;

export class CacheSaves {
	readonly #client: FileCoordinator;
	readonly #folder: string;
	readonly #warm: WarmCaches;
	readonly #stopped = new AbortController();
	readonly #isEmpty: Promise<void>;
	/** The saves of each project that have not ended. */
	readonly #waiting = new Map<string, Set<Promise<void>>>();
	#last: Promise<void> = Promise.resolve();

	/** @param folder where they are until they are saved: an earlier agent may have left some */
	constructor(client: FileCoordinator, folder: string, warm: WarmCaches) {
		this.#client = client;
		this.#folder = folder;
		this.#warm = warm;
		this.#isEmpty = removeFolder(folder).catch((error) => log("warn", `The agent cannot remove ${folder}: ${error}`));
	}

	/** Moves the folders of a cache out of a workspace, and saves them. @returns the moved ones */
	async save(one: ToSave): Promise<readonly string[]> {
		await this.#isEmpty;
		const folder = path.join(this.#folder, randomUUID());
		await mkdir(folder, { recursive: true, mode: 0o700 });
		const roots = await takeFrom(one.workspace, folder, one.roots);
		if (roots.length === 0) {
			await removeFolder(folder);
			return roots;
		}
		const saving = this.#last.then(() => this.#save({ ...one, roots }, folder));
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
	async #save(one: ToSave, folder: string): Promise<void> {
		const { signal } = this.#stopped;
		const started = performance.now();
		try {
			const packed = one.url === null ? await digestFolder(folder, one.roots, signal) : await this.#upload(one, one.url, folder, signal);
			const isKept = one.url !== null || packed.content === one.content;
			if (isKept)
				await this.#warm.keep({ content: packed.content, roots: one.roots, bytes: packed.bytes, fingerprint: packed.fingerprint }, folder);
			if (one.url === null) return;
			const took = formatDuration(performance.now() - started);
			const left = packed.leftOut === 0 ? "" : `; ${packed.leftOut} entries are no files, and were left out`;
			log("info", `cache ${one.key} saved: ${formatBytes(packed.bytes)} in ${packed.files} files after ${took}${left}`);
		} catch (error) {
			if (!signal.aborted) log("warn", `The cache ${one.key} was not saved: ${(error as Error).message}`);
		} finally {
			await removeFolder(folder).catch((error) => log("warn", `The agent cannot remove ${folder}: ${error}`));
		}
	}

	async #upload({ compression, roots }: ToSave, url: string, folder: string, stopped: AbortSignal): Promise<PackedArchive> {
		const signal = AbortSignal.any([stopped, AbortSignal.timeout(MOST_MS)]);
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
		const json = { content: packed.content, parts, files: packed.files, unpacked_bytes: packed.bytes } satisfies CacheManifest;
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
