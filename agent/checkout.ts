import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Assignment, Commit } from "../schema/wire/protocol.ts";
import type { LogSpool } from "./log_spool.ts";
import type { RunningProcess } from "./step_process.ts";
import { startProcess } from "./step_process.ts";

/** A checkout that did not come about: the repository's or the network's fault, not the job's. */
export class CheckoutFailed extends Error {
	override name = "CheckoutFailed";
}

interface Checkout {
	source: NonNullable<Assignment["source"]>;
	workspace: string;
	env: Record<string, string>;
	spool: LogSpool;
	signal: AbortSignal;
	/** Called with each process that is started, so that it can be ended. */
	onStart(process: RunningProcess): void;
	/** Tells the coordinator which commit was found; it answers with the one that the whole run uses. */
	pin(commit: Commit): Promise<string>;
}

const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

/** Options for every call: nothing may ask, nothing may run a program that the repository's address names. */
const GIT = ["git", "-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main"];

/**
 * Puts the source into the workspace: one commit, shallow. The first job of a run decides which commit its branch means;
 * every other job gets the very same.
 * @throws CheckoutFailed with the sentence for the person
 */
export async function checkOut(checkout: Checkout): Promise<Commit> {
	const { source } = checkout;
	await git(checkout, "init", "--quiet", ".");
	await git(checkout, "remote", "add", "origin", source.git);
	const found = source.commit === null ? await fetchRef(checkout) : await fetchPinned(checkout, source.commit);
	await git(checkout, "checkout", "--quiet", "--detach", found.sha);
	const commit = { ...found, ...(await describe(checkout, found.sha)) };
	const pinned = await checkout.pin(commit);
	if (pinned === commit.sha) return commit;
	// Another job of this run was first, and the branch has moved in between.
	await fetchCommit(checkout, pinned);
	await git(checkout, "checkout", "--quiet", "--detach", pinned);
	return { ...found, ...(await describe(checkout, pinned)), sha: pinned };
}

interface Found {
	sha: string;
	branch: string | null;
	tag: string | null;
}

/** Fetches what the pipeline names: a branch, a tag, a commit, or where the repository's HEAD is. */
async function fetchRef(checkout: Checkout): Promise<Found> {
	const { ref } = checkout.source;
	if (ref !== null && COMMIT.test(ref)) {
		await fetchCommit(checkout, ref);
		return { sha: ref, branch: null, tag: null };
	}
	const refs = await remoteRefs(checkout);
	const target = named(refs, ref);
	if (!target) {
		const known = [...refs.keys()].filter((name) => name.startsWith("refs/heads/")).map((name) => name.slice("refs/heads/".length));
		throw new CheckoutFailed(
			ref === null
				? "The repository is empty."
				: `There is no branch, tag or commit ${ref}. Branches: ${known.slice(0, 10).join(", ") || "none"}.`,
		);
	}
	await git(checkout, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", `+${target.name}:refs/windlass/checkout`);
	const sha = await output(checkout, "rev-parse", "refs/windlass/checkout^{commit}");
	return { sha, ...namesOf(target.name, refs) };
}

/** What the pipeline's ref means: a branch before a tag before a full name; without one, where HEAD is. */
function named(refs: ReadonlyMap<string, RemoteRef>, ref: string | null): RemoteRef | undefined {
	if (ref === null) return refs.get("HEAD");
	return refs.get(`refs/heads/${ref}`) ?? refs.get(`refs/tags/${ref}`) ?? refs.get(ref);
}

function namesOf(name: string, refs: ReadonlyMap<string, RemoteRef>): Pick<Found, "branch" | "tag"> {
	const full = name === "HEAD" ? (refs.get("HEAD")?.target ?? "") : name;
	return {
		branch: full.startsWith("refs/heads/") ? full.slice("refs/heads/".length) : null,
		tag: full.startsWith("refs/tags/") ? full.slice("refs/tags/".length) : null,
	};
}

interface RemoteRef {
	name: string;
	/** What a symbolic ref points to. */
	target: string | null;
}

async function remoteRefs(checkout: Checkout): Promise<Map<string, RemoteRef>> {
	const listing = await output(checkout, "ls-remote", "--symref", "origin");
	const refs = new Map<string, RemoteRef>();
	for (const line of listing.split("\n")) {
		const [value = "", name = ""] = line.split("\t");
		if (!name || name.endsWith("^{}")) continue;
		const target = value.startsWith("ref: ") ? value.slice("ref: ".length) : (refs.get(name)?.target ?? null);
		refs.set(name, { name, target });
	}
	return refs;
}

/** The commit that the run was pinned to; its branch is fetched for its name only. */
async function fetchPinned(checkout: Checkout, sha: string): Promise<Found> {
	const { ref } = checkout.source;
	const refs = ref === null || !COMMIT.test(ref) ? await remoteRefs(checkout) : new Map<string, RemoteRef>();
	const target = named(refs, ref);
	await fetchCommit(checkout, sha);
	return { sha, ...(target ? namesOf(target.name, refs) : { branch: null, tag: null }) };
}

/** Fetches one commit by its id. Not every server gives out any commit; those that do not are asked for all they have. */
async function fetchCommit(checkout: Checkout, sha: string): Promise<void> {
	const isThere = await output(checkout, "cat-file", "-t", sha).catch(() => "");
	if (isThere === "commit") return;
	const byId = await tryGit(checkout, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", sha);
	if (byId === 0) return;
	await git(checkout, "fetch", "--quiet", "--depth=2147483647", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*");
	const type = await output(checkout, "cat-file", "-t", sha).catch(() => "");
	if (type !== "commit") throw new CheckoutFailed(`The commit ${sha} is not in the repository (any more).`);
}

async function describe(checkout: Checkout, sha: string): Promise<Pick<Commit, "message" | "author">> {
	const text = await output(checkout, "log", "-1", "--format=%an <%ae>%n%B", sha);
	const [author = "", ...message] = text.split("\n");
	return { author: author.slice(0, 500), message: message.join("\n").trim().slice(0, 10_000) };
}

function environment({ env }: Checkout): Record<string, string> {
	return { ...env, GIT_TERMINAL_PROMPT: "0", LC_ALL: "C.UTF-8" };
}

async function git(checkout: Checkout, ...args: string[]): Promise<void> {
	const code = await tryGit(checkout, ...args);
	if (code !== 0) throw new CheckoutFailed(`git ${args[0]} failed with exit code ${code}; the log has its words.`);
}

async function tryGit(checkout: Checkout, ...args: string[]): Promise<number> {
	checkout.signal.throwIfAborted();
	let running: RunningProcess;
	try {
		running = await startProcess([...GIT, ...args], { cwd: checkout.workspace, env: environment(checkout) }, checkout.spool);
	} catch (error) {
		throw new CheckoutFailed((error as Error).message);
	}
	checkout.onStart(running);
	const code = await running.exited;
	checkout.signal.throwIfAborted();
	if (code === 127) throw new CheckoutFailed("git is not installed on this agent.");
	return code;
}

/** What git prints, for git's answers rather than its work. */
async function output(checkout: Checkout, ...args: string[]): Promise<string> {
	const [command = "git", ...options] = GIT;
	try {
		const { stdout } = await promisify(execFile)(command, [...options, ...args], {
			cwd: checkout.workspace,
			env: environment(checkout),
			signal: checkout.signal,
			maxBuffer: 64 * 1024 * 1024,
		});
		return stdout.trim();
	} catch (error) {
		checkout.signal.throwIfAborted();
		const { stderr, code } = error as { stderr?: string; code?: string | number };
		if (code === "ENOENT") throw new CheckoutFailed("git is not installed on this agent.");
		throw new CheckoutFailed(`git ${args[0]} failed: ${(stderr ?? String(error)).trim().split("\n").at(-1) ?? ""}`);
	}
}
