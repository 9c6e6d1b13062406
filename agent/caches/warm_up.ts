import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { type WarmCache, warmCaches } from "../../schema/wire/caches.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { removeFolder } from "../files/remove_folder.ts";
import { log } from "../logger.ts";
import type { FileCoordinator } from "../transport/client.ts";
import { digestFolder } from "./archive/archiver.ts";
import { PLATFORM } from "./platform.ts";
import { fetchInto } from "./restore_cache.ts";
import type { WarmCaches } from "./warm_caches.ts";

interface WarmUp {
	client: FileCoordinator;
	/** The agent's own. */
	token: string;
	/** How many caches to fetch. */
	count: number;
	/** How long it may take, in milliseconds. */
	limitMs: number;
	warm: WarmCaches;
	/** A folder on the disk of the warm caches. */
	folder: string;
	signal: AbortSignal;
}

/** Fetches the caches that jobs of the agent's labels use most, before the agent takes any. Never throws. */
export async function warmUp({ client, token, count, limitMs, warm, folder, signal: stopped }: WarmUp): Promise<void> {
	const signal = AbortSignal.any([stopped, AbortSignal.timeout(limitMs)]);
	const began = performance.now();
	let fetched = 0;
	let bytes = 0;
	try {
		const json = { count, platform: PLATFORM };
		const { caches } = await client.fetch(warmCaches, { method: "POST", path: "/api/v1/agents/self/caches", token, json, signal });
		const known = new Set(await warm.contents());
		for (const cache of caches) {
			if (known.has(cache.content)) continue;
			await fetchOne(client, cache, { warm, folder, signal });
			fetched += 1;
			bytes += cache.unpacked_bytes;
		}
	} catch (error) {
		if (!stopped.aborted) log("warn", `The agent begins without some of the caches that its jobs use most: ${(error as Error).message}`);
	}
	log(
		"info",
		`${fetched} ${fetched === 1 ? "cache" : "caches"} fetched ahead: ${formatBytes(bytes)} in ${formatDuration(performance.now() - began)}`,
	);
}

async function fetchOne(
	client: FileCoordinator,
	cache: WarmCache,
	{ warm, folder, signal }: Pick<WarmUp, "warm" | "folder" | "signal">,
): Promise<void> {
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const staging = path.join(folder, randomUUID());
	try {
		const writeLine = async (text: string) => log("info", text);
		const roots = await fetchInto({ client, token: null, staging, paths: cache.paths, signal, writeLine }, cache);
		const { content, bytes, fingerprint } = await digestFolder(staging, roots, signal);
		await warm.keep({ content, roots, bytes, fingerprint }, staging);
	} finally {
		await removeFolder(staging);
	}
}
