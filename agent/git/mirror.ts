import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "../files/hashing.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";
import type { Git } from "./git.ts";
import { makePartial } from "./partial_history.ts";

/**
 * A mirror is a bare repository for each address on the agent: commits that were fetched once need
 * no network again. Workspaces are fetched from it, and do not depend on it.
 */

/** The agent removes a mirror that no job has used for this long. */
const UNUSED_MS = 30 * 24 * 60 * 60_000;
/** The agent repacks a mirror that has more packs; one with a partial history it makes anew. */
const MANY_PACKS = 50;
/** The newest branches and tags that a repacked mirror keeps. */
const KEPT_REFS = 50;
/** The messages of git about a broken mirror: a killed git leaves it half written. */
const BROKEN =
	/\.lock'|corrupt|cannot lock ref|bad object|not a git repository|unable to read|missing (blob|tree|commit)|invalid index-pack|could not parse|shallow file/i;

/** Jobs that use the same mirror at once take turns. */
const turns = new Map<string, Promise<unknown>>();

/** Removes unused mirrors. */
export async function sweepMirrors(folder: string, now: number): Promise<void> {
	for (const name of await readdir(folder).catch(() => [] as string[])) {
		const mirror = path.join(folder, name);
		// A job may be about to use it.
		await withTurn(mirror, new AbortController().signal, async () => {
			const { mtimeMs } = await stat(mirror);
			if (now - mtimeMs > UNUSED_MS) await rm(mirror, { recursive: true, force: true });
		});
	}
}

/** Each combination has a mirror of its own. */
export interface Mirrored {
	/** The folder of the agent's mirrors. */
	mirrors: string;
	address: string;
	/** The project whose credentials are used: projects do not share what they fetched. */
	reader: string;
	/** Options of `git init` for the repository's object format. */
	format: readonly string[];
	/** Whether the mirror has whole histories: shallow commits beside them would be fetched again. */
	isWhole: boolean;
	/** Whether the mirror has a partial history, which lacks contents that others need. */
	isPartial: boolean;
}

/** The folder of a mirror. */
export function mirrorFolder({ mirrors, address, reader, format, isWhole, isPartial }: Mirrored): string {
	const named = [address, ...(reader === "" ? [] : [reader]), ...format, ...(isWhole ? ["whole"] : []), ...(isPartial ? ["partial"] : [])];
	return path.join(mirrors, `${sha256(named.join("\n")).slice(0, 32)}.git`);
}

/**
 * Fetches from a repository into the workspace through its mirror.
 * @param fetch fetches from `origin` into the mirror; it may be called twice
 * @param use fetches into the workspace; null: the mirror is only brought up to date, and nobody uses it
 */
export async function viaMirror<Found>(
	git: Git,
	mirrored: Mirrored,
	fetch: (mirror: Git) => Promise<Found>,
	use: ((mirror: Git, found: Found) => Promise<void>) | null,
): Promise<Found> {
	const { signal } = git;
	const folder = mirrorFolder(mirrored);
	const mirror = git.in(folder);
	return withTurn(folder, signal, async () => {
		const usedAt = use === null ? (await stat(folder)).mtime : null;
		const work = async () => {
			await prepare(git, mirror, mirrored);
			const found = await fetch(mirror);
			await use?.(mirror, found);
			return found;
		};
		try {
			return await work();
		} catch (error) {
			const isMirrorBroken = error instanceof GitFailed && BROKEN.test(error.output);
			if (!isMirrorBroken) throw error;
			await rm(folder, { recursive: true, force: true });
			return await work();
		} finally {
			if (usedAt !== null) await utimes(folder, usedAt, usedAt);
		}
	});
}

/** Waits for the turn, unless the signal is aborted. */
async function withTurn<Value>(folder: string, signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
	const before = turns.get(folder) ?? Promise.resolve();
	const start = () => {
		signal.throwIfAborted();
		return work();
	};
	const mine = before.then(start, start);
	const stopped = new Promise<never>((_, reject) => {
		if (signal.aborted) reject(signal.reason);
		else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
	});
	stopped.catch(() => undefined);
	turns.set(folder, mine);
	try {
		return await Promise.race([mine, stopped]);
	} finally {
		const remove = () => {
			if (turns.get(folder) === mine) turns.delete(folder);
		};
		void mine.then(remove, remove);
	}
}

async function prepare(git: Git, mirror: Git, { address, format, isPartial }: Mirrored): Promise<void> {
	// git gc removes nothing of a partial history.
	if (isPartial && (await packsOf(mirror)) > MANY_PACKS) await rm(mirror.folder, { recursive: true, force: true });
	try {
		await mkdir(mirror.folder, { recursive: true, mode: 0o700 });
		const now = new Date();
		await utimes(mirror.folder, now, now);
	} catch (error) {
		throw new CheckoutFailed(`The agent cannot create a mirror of the repository: ${(error as Error).message}`);
	}
	const isThere = (await readdir(mirror.folder)).includes("HEAD");
	if (!isThere) {
		await git.in(mirror.folder).run("init", "--quiet", "--bare", ...format, ".");
		await mirror.run("config", "uploadpack.allowAnySHA1InWant", "true");
		if (isPartial) await mirror.run("config", "uploadpack.allowFilter", "true");
	}
	await mirror.run("config", "remote.origin.url", address);
	if (isPartial && !isThere) await makePartial(mirror);
	if ((await packsOf(mirror)) <= MANY_PACKS) return;
	const refs = (await mirror.output("for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/windlass")).split("\n");
	for (const ref of refs.slice(KEPT_REFS)) await mirror.run("update-ref", "-d", ref);
	await mirror.run("gc", "--quiet", "--prune=now");
}

async function packsOf(mirror: Git): Promise<number> {
	const names = await readdir(path.join(mirror.folder, "objects/pack")).catch(() => []);
	return names.filter((name) => name.endsWith(".pack")).length;
}

/**
 * Keeps a commit in the mirror, so that the next fetch transfers less. The name is a hash, because
 * the name of one branch may be a folder in the name of another.
 */
export async function keepCommit(mirror: Git, name: string, sha: string): Promise<void> {
	await mirror.run("update-ref", `refs/windlass/${sha256(name).slice(0, 32)}`, sha);
}
