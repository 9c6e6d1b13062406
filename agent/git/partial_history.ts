import type { Git } from "./git.ts";

/**
 * A partial history: all commits and folders, and the contents of files only where they are needed
 * (git-rev-list(1), `--filter=blob:none`). Git fetches others from `origin` once a command asks.
 */

export const PARTIAL = "--filter=blob:none";

/** What makes `origin` the place where git looks for what a repository lacks. */
const SETTINGS = [
	["core.repositoryformatversion", "1"],
	["extensions.partialClone", "origin"],
	["remote.origin.promisor", "true"],
	["remote.origin.partialCloneFilter", "blob:none"],
] as const;

export async function makePartial(git: Git): Promise<void> {
	for (const [name, value] of SETTINGS) await git.run("config", name, value);
}

/**
 * Fetches the contents of the files of a commit, as far as the repository lacks them, with one
 * request. A checkout would do the same, but not from a mirror.
 * @param from the name of a remote
 */
export async function fetchContents(git: Git, from: string, sha: string): Promise<void> {
	const listing = await git.text("rev-list", "--objects", "--no-object-names", "--no-walk", "--missing=print", sha);
	const missing = listing.split("\n").flatMap((line) => (line.startsWith("?") ? [line.slice(1)] : []));
	if (missing.length === 0) return;
	// There is no history to compare (fetch-pack(1)); git itself asks like this for what it lacks.
	const fetch = ["-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
	await git.answers([...fetch, "--recurse-submodules=no", PARTIAL, "--stdin", from], `${missing.join("\n")}\n`);
}
