import type * as z from "zod";
import { formatBytes } from "../../schema/wire/bytes.ts";
import { type CacheUse, type FoundCache, foundCaches, saveAddresses } from "../../schema/wire/caches.ts";
import { formatDuration } from "../../schema/wire/duration.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { AgentCaches } from "../caches/agent_caches.ts";
import type { KeyedCache } from "../caches/cache_keys.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import type { Outcome } from "../outcome.ts";
import { sleep } from "../sleep.ts";
import { untilAnswered } from "../transport/retry.ts";
import type { JobResources } from "./job_resources.ts";

/** How long a job waits for a cache that an earlier job of its project is still saving here. */
const SAVING_MS = 30_000;

/** A cache of the job. */
interface Used {
	cache: KeyedCache;
	use: CacheUse;
	found: FoundCache | null;
	/** Why the coordinator refuses it to this run; null if it does not. */
	refused: string | null;
}

type SaveAddress = z.infer<typeof saveAddresses>["caches"][number];
const NO_ADDRESS: SaveAddress = { url: null, refused: "the coordinator gives no address for it" };

/**
 * The caches of a job: restored before its steps, and saved after them. No error of a cache ends a
 * job; the log says what happened.
 */
export class JobCaches {
	readonly #job: JobResources;
	readonly #caches: AgentCaches;
	#used: Used[] = [];

	constructor(job: JobResources, caches: AgentCaches) {
		this.#job = job;
		this.#caches = caches;
	}

	/** How the job used its caches. */
	get uses(): CacheUse[] {
		return this.#used.map(({ use }) => use);
	}

	/** Puts into the workspace what is found. */
	async restore(): Promise<void> {
		const { context, stop } = this.#job;
		const keyed = await this.#keyed();
		if (keyed.length === 0) return;
		const { project } = context.assignment.run;
		await Promise.race([this.#caches.saves.settled(project), sleep(SAVING_MS, stop.signal).catch(() => undefined)]);
		const answers = await this.#find(keyed);
		for (const [index, cache] of keyed.entries()) {
			const { found = null, refused = null } = answers[index] ?? {};
			this.#used.push(await this.#restoreOne(cache, found, refused, index));
		}
	}

	async #keyed(): Promise<KeyedCache[]> {
		const { context, workspace: folder, masker, spool } = this.#job;
		const { caches, values } = context.assignment;
		const { keyedCaches } = await import("../caches/cache_keys.ts");
		const workspace = await ConfinedFolder.open(folder);
		try {
			return await keyedCaches(caches, { workspace, values, masker, writeLine: (text) => spool.writeLine(text) });
		} catch (error) {
			await spool.writeLine(`:: no cache is used: ${(error as Error).message}`);
			return [];
		} finally {
			await workspace.close();
		}
	}

	async #find(keyed: readonly KeyedCache[]): Promise<{ found: FoundCache | null; refused: string | null }[]> {
		const { context, spool, stop } = this.#job;
		const { assignment, client, token } = context;
		const json = { caches: keyed.map(({ key, restore_keys, scope, variant }) => ({ key, restore_keys, scope, variant })) };
		const call = {
			method: "POST",
			path: `/api/v1/attempts/${assignment.attempt_id}/caches/find`,
			token,
			json,
			signal: stop.signal,
		} as const;
		try {
			return (await untilAnswered(() => client.fetch(foundCaches, call), stop.signal)).caches;
		} catch (error) {
			if (!(error instanceof ApiError)) throw error;
			await spool.writeLine(`:: no cache is used: ${error.message}`);
			return [];
		}
	}

	async #restoreOne(cache: KeyedCache, found: FoundCache | null, refused: string | null, index: number): Promise<Used> {
		const { spool } = this.#job;
		const none: CacheUse = { key: cache.key, result: "miss", restored: null, from: null, bytes: 0, ms: 0 };
		if (found === null) {
			await spool.writeLine(refused === null ? `:: cache ${cache.key}: not found` : `:: cache ${cache.key}: ${refused}`);
			return { cache, use: none, found, refused };
		}
		const began = performance.now();
		try {
			const from = await this.#fetch(cache, found, index);
			const ms = Math.round(performance.now() - began);
			const place = from === "agent" ? "of this machine" : "of the coordinator";
			const what = found.is_exact ? "restored" : `the nearest is ${found.key}, restored`;
			await spool.writeLine(
				`:: cache ${cache.key}: ${what} from the copy ${place} (${formatBytes(found.unpacked_bytes)} in ${found.files} ${found.files === 1 ? "file" : "files"}, ${formatDuration(ms)})`,
			);
			const use: CacheUse = {
				...none,
				result: found.is_exact ? "hit" : "partial",
				restored: found.key,
				from,
				bytes: found.unpacked_bytes,
				ms,
			};
			return { cache, use, found, refused };
		} catch (error) {
			this.#job.stop.signal.throwIfAborted();
			await spool.writeLine(`:: cache ${cache.key}: not restored: ${(error as Error).message}`);
			const use: CacheUse = { ...none, result: "failed", ms: Math.round(performance.now() - began) };
			return { cache, use, found: null, refused };
		}
	}

	async #fetch({ paths }: KeyedCache, found: FoundCache, index: number): Promise<NonNullable<CacheUse["from"]>> {
		const { context, workspace, spool, stop } = this.#job;
		const { restoreCache } = await import("../caches/restore_cache.ts");
		const restoring = {
			client: context.client,
			attemptId: context.assignment.attempt_id,
			token: context.token,
			warm: this.#caches.warm,
			workspace,
			staging: `${context.folder}/cache-${index}`,
			paths,
			signal: stop.signal,
			writeLine: (text: string) => spool.writeLine(text),
		};
		return restoreCache(restoring, found);
	}

	/** Moves out of the workspace what is to be saved. Nothing of the job runs any more. */
	async save(outcome: Outcome): Promise<void> {
		const { spool } = this.#job;
		const succeeded = outcome.state === "succeeded";
		const isWanted = ({ cache: { when } }: Used) => when === "always" || (when === "success") === succeeded;
		try {
			const wanted = this.#used.filter((one) => isWanted(one) && one.refused === null);
			const unsaved = wanted.filter(({ found }) => !found?.is_exact);
			const answers = await this.#addresses(unsaved);
			for (const [index, one] of unsaved.entries()) await this.#saveOne(one, answers[index] ?? NO_ADDRESS);
		} catch (error) {
			await spool.writeLine(`:: caches are not saved: ${(error as Error).message}`);
		}
	}

	async #addresses(unsaved: readonly Used[]): Promise<SaveAddress[]> {
		if (unsaved.length === 0) return [];
		const { assignment, client, token } = this.#job.context;
		const json = { caches: unsaved.map(({ cache: { key, scope, variant } }) => ({ key, scope, variant })) };
		const call = { method: "POST", path: `/api/v1/attempts/${assignment.attempt_id}/caches`, token, json } as const;
		return (await untilAnswered(() => client.fetch(saveAddresses, call), AbortSignal.timeout(SAVING_MS))).caches;
	}

	async #saveOne({ cache }: Used, { url, refused }: SaveAddress): Promise<void> {
		const { context, workspace, spool } = this.#job;
		if (url === null) return spool.writeLine(`:: cache ${cache.key}: not saved: ${refused ?? "there is one with this key already"}`);
		const { findRoots } = await import("../caches/find_roots.ts");
		const folder = await ConfinedFolder.open(workspace);
		const roots = await findRoots(folder, cache.paths).finally(() => folder.close());
		const { project } = context.assignment.run;
		const saved = await this.#caches.saves.save({
			project,
			key: cache.key,
			paths: cache.paths,
			compression: cache.compression,
			url,
			workspace,
			roots,
		});
		if (saved.length > 0) await spool.writeLine(`:: cache ${cache.key}: saving ${saved.join(", ")}`);
		else await spool.writeLine(`:: cache ${cache.key}: not saved: nothing that can be moved is at ${cache.paths.join(", ")}`);
	}
}
