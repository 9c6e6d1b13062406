import type { CheckoutOptions } from "../../schema/wire/checkout.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";
import type { Git } from "./git.ts";
import { keepCommit, type Mirrored, viaMirror } from "./mirror.ts";
import { fetchContents, makePartial, PARTIAL } from "./partial_history.ts";
import type { Found } from "./remote_refs.ts";

/** Fetches a commit into a workspace, or into a mirror alone. */

/** What of a repository a fetch brings. */
export type Fetched = Pick<CheckoutOptions, "depth" | "filter" | "tags">;

/** A repository, and where the agent has its mirrors. */
export interface Repository {
	source: Pick<Extract<NonNullable<Assignment["source"]>, { git: string }>, "git">;
	mirrors: string;
	reader: string;
}

/** Git's number for all commits (INFINITE_DEPTH). It completes a shallow repository. */
const ALL_COMMITS = 2147483647;
/** The name of the mirror in a workspace with a partial history, while it is fetched from. */
const MIRROR = "mirror";
const ALL_HEADS = "+refs/heads/*:refs/remotes/origin/*";
const ALL_TAGS = "+refs/tags/*:refs/tags/*";

/** The object format of a commit: with SHA-256 its id has 64 digits. */
export function objectFormat(sha: string): string[] {
	return sha.length === 64 ? ["--object-format=sha256"] : [];
}

/**
 * Fetches a commit into the workspace: directly from a repository on this machine, otherwise
 * through a mirror.
 */
export async function fetchCommit(git: Git, repository: Repository, found: Found, options: Fetched): Promise<void> {
	if (await has(git, found.sha)) return;
	const isPartial = options.filter !== "none";
	if (isPartial) await makePartial(git);
	if (isLocal(repository.source)) {
		await fetchFromOrigin(git, found, options);
		return;
	}
	await viaMirror(
		git,
		mirrorOf(repository, found.sha, options),
		(mirror) => updateMirror(mirror, found, options),
		async (mirror) => {
			const tags = options.tags ? [ALL_TAGS] : (await hasTag(mirror, found)) ? [tagRef(found.tag as string)] : [];
			if (!isPartial) return git.run(...fetchWith(options), mirror.folder, found.sha, ...tags);
			// With a filter, git notes where it has fetched from, to ask there for what is left out.
			await git.run("config", `remote.${MIRROR}.url`, mirror.folder);
			await git.run(...fetchWith(options), MIRROR, found.sha, ...tags);
			await fetchContents(git, MIRROR, found.sha);
			await git.run("config", "--remove-section", `remote.${MIRROR}`);
		},
	);
}

/** The mirror of a repository for a commit and such a fetch. */
export function mirrorOf(
	{ source, mirrors, reader }: Repository,
	sha: string,
	{ depth, filter }: Pick<Fetched, "depth" | "filter">,
): Mirrored {
	return { mirrors, address: source.git, reader, format: objectFormat(sha), isWhole: depth === "full", isPartial: filter !== "none" };
}

/** Fetches a commit into a mirror, unless it is there. @returns whether it was fetched */
export async function updateMirror(mirror: Git, found: Found, options: Fetched): Promise<boolean> {
	const mayHave = (options.depth === 1 || options.depth === "full") && !options.tags && found.tag === null;
	const isEnough = mayHave && (await has(mirror, found.sha));
	if (!isEnough) await fetchFromOrigin(mirror, found, options);
	else if (options.filter !== "none") await mirror.overNetwork(() => fetchContents(mirror, "origin", found.sha));
	await keepCommit(mirror, found.branch ?? found.tag ?? "", found.sha);
	return !isEnough;
}

export function isLocal({ git }: Repository["source"]): boolean {
	return git.startsWith("/") || git.startsWith("file:");
}

/** Whether the commit is there. Git must not fetch it to answer this, as it would into a partial history. */
async function has(git: Git, sha: string): Promise<boolean> {
	const found = await git.output("rev-list", "--no-walk", "--missing=allow-promisor", sha).catch((error) => {
		if (error instanceof GitFailed) return "";
		throw error;
	});
	return /^[0-9a-f]+$/.test(found);
}

async function hasTag(git: Git, { tag }: Found): Promise<boolean> {
	return tag !== null && (await git.succeeds("rev-parse", "--quiet", "--verify", `refs/tags/${tag}`));
}

function tagRef(tag: string): string {
	return `+refs/tags/${tag}:refs/tags/${tag}`;
}

function fetchWith({ depth, filter }: Fetched): string[] {
	return ["fetch", "--quiet", ...(filter === "none" ? [] : [PARTIAL]), ...(depth === "full" ? [] : [`--depth=${depth}`]), "--no-tags"];
}

/**
 * Fetches a commit. Not every server serves commits by their id, and a tag may be gone, so the
 * agent asks for the exact commit first, and for all branches and tags at last.
 */
async function fetchFromOrigin(git: Git, { sha, ref, tag }: Found, options: Fetched): Promise<void> {
	// Tags that the server has deleted are deleted here, too.
	const [prune, all] = options.tags ? [["--prune"], [ALL_TAGS]] : [[], []];
	const ways = [
		[...fetchWith(options), ...prune, "origin", sha, ...(tag === null || options.tags ? [] : [tagRef(tag)]), ...all],
		...(tag === null ? [] : [[...fetchWith(options), ...prune, "origin", sha, ...all]]),
		...(ref === null ? [] : [[...fetchWith(options), ...prune, "origin", ref, ...all]]),
		[
			...["fetch", "--quiet", ...(options.filter === "none" ? [] : [PARTIAL])],
			...(options.depth === "full" ? [] : [`--depth=${ALL_COMMITS}`]),
			...["--tags", "origin", ALL_HEADS],
		],
	];
	await git.overNetwork(async () => {
		for (const way of ways) {
			try {
				await git.run(...way);
			} catch (error) {
				if (!(error instanceof GitFailed && NOT_BY_ID.test(error.output))) throw error;
				continue;
			}
			if (!(await has(git, sha))) continue;
			if (options.filter !== "none") await fetchContents(git, "origin", sha);
			return;
		}
	});
	if (!(await has(git, sha)))
		throw new CheckoutFailed(`The commit ${sha} is not in the repository, or no longer. Push it, or run another commit.`);
}

/** The messages of servers that serve only refs, or do not have the commit. */
const NOT_BY_ID = /not our ref|unadvertised object|couldn't find remote ref|does not allow request/i;
