import { mkdir, readdir, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";
import { sha256 } from "../files/hashing.ts";
import { CheckoutFailed, type Git, GitFailed } from "./git.ts";

/**
 * A bare repository per address, kept on the agent: what it has got once need not come over the network again. Workspaces are
 * fetched from it and are whole without it.
 */

/** One that no job has used for this long goes. */
const UNUSED_MS = 30 * 24 * 60 * 60_000;
/** More packs than this are put into one. */
const MANY_PACKS = 50;
/** So many branches and tags are kept when it is tidied, the newest. */
const KEPT_REFS = 50;
/** What git says when the mirror itself is the trouble: something that was killed has left it half written. */
const BROKEN =
	/\.lock'|corrupt|cannot lock ref|bad object|not a git repository|unable to read|missing (blob|tree|commit)|invalid index-pack|could not parse|shallow file/i;

/** Jobs that use the same mirror at once take turns. */
const turns = new Map<string, Promise<unknown>>();

/** Removes mirrors that are not used any more. */
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

/** What is mirrored: each combination has a mirror of its own. */
interface Mirrored {
	/** The folder of the agent's mirrors. */
	mirrors: string;
	address: string;
	/** With what the server is asked: what one reader has got is not another's. */
	reader: string;
	/** Options of `git init` for the repository's object format. */
	format: readonly string[];
	/** Whether all history is there: a commit that was fetched alone would have its whole history fetched again. */
	isWhole: boolean;
}

/**
 * Brings something of a repository into the workspace by way of its mirror.
 * @param fetch fetches from `origin` in the mirror and names what it got; it may be called twice
 */
export async function viaMirror<Found>(
	git: Git,
	{ mirrors, address, reader, format, isWhole }: Mirrored,
	fetch: (mirror: Git) => Promise<Found>,
	use: (mirror: Git, found: Found) => Promise<void>,
): Promise<Found> {
	const { signal } = git;
	const folder = path.join(
		mirrors,
		`${sha256([address, ...(reader === "" ? [] : [reader]), ...format, ...(isWhole ? ["whole"] : [])].join("\n")).slice(0, 32)}.git`,
	);
	const mirror = git.in(folder);
	return withTurn(folder, signal, async () => {
		const work = async () => {
			await prepare(git, mirror, address, format);
			const found = await fetch(mirror);
			await use(mirror, found);
			return found;
		};
		try {
			return await work();
		} catch (error) {
			const isMirrorsFault = error instanceof GitFailed && BROKEN.test(error.words);
			if (!isMirrorsFault) throw error;
			await rm(folder, { recursive: true, force: true });
			return work();
		}
	});
}

/** Whoever is stopped while it waits for its turn need not wait for it. */
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
		const forget = () => {
			if (turns.get(folder) === mine) turns.delete(folder);
		};
		void mine.then(forget, forget);
	}
}

async function prepare(git: Git, mirror: Git, address: string, format: readonly string[]): Promise<void> {
	try {
		await mkdir(mirror.folder, { recursive: true, mode: 0o700 });
		const now = new Date();
		await utimes(mirror.folder, now, now);
	} catch (error) {
		throw new CheckoutFailed(`the agent cannot keep a mirror of the repository: ${(error as Error).message}`);
	}
	const isThere = (await readdir(mirror.folder)).includes("HEAD");
	if (!isThere) {
		await git.in(mirror.folder).run("init", "--quiet", "--bare", ...format, ".");
		await mirror.run("config", "uploadpack.allowAnySHA1InWant", "true");
	}
	await mirror.run("config", "remote.origin.url", address);
	const packs = (await readdir(path.join(mirror.folder, "objects/pack")).catch(() => [])).filter((name) => name.endsWith(".pack"));
	if (packs.length <= MANY_PACKS) return;
	const refs = (await mirror.output("for-each-ref", "--sort=-committerdate", "--format=%(refname)", "refs/windlass")).split("\n");
	for (const ref of refs.slice(KEPT_REFS)) await mirror.run("update-ref", "-d", ref);
	await mirror.run("gc", "--quiet", "--prune=now");
}

/**
 * Keeps a commit in the mirror, and tells the server next time what is there already. The name is flat: branches come and go whose
 * names are folders of each other's.
 */
export async function keepCommit(mirror: Git, name: string, sha: string): Promise<void> {
	await mirror.run("update-ref", `refs/windlass/${sha256(name).slice(0, 32)}`, sha);
}
