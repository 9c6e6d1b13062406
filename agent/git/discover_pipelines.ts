import { MAX_CHANGED_PATHS, MAX_PLAN_BYTES, MAX_PLAN_FILE_BYTES, MAX_PLAN_FILES } from "../../schema/wire/limits.ts";
import { CONFIG_FILES, CONFIG_FOLDER, type DiscoveryResult, type DiscoveryWork } from "../../schema/wire/plans.ts";
import { JobError } from "../outcome.ts";
import { CheckoutFailed, type Git, GitFailed } from "./git.ts";

/**
 * Looking up what a repository wants to be run. Everything is read from git's own objects: nothing of the repository is put on disk as files, and no link
 * in it leads anywhere.
 */

/** The commit whose files are read, and the ref by which it came. */
export interface LookedAt {
	sha: string;
	ref: string | null;
}

/** How far back the beginning of a pull request is looked for, commit by commit. */
const DEPTHS = [50, 500, 5_000];

/** @throws JobError for more than a plan may have */
export async function lookUp(
	git: Git,
	at: LookedAt,
	{ config, changes, default_branch }: DiscoveryWork,
	say: (text: string) => Promise<void>,
): Promise<DiscoveryResult> {
	const files = await readFiles(git, at.sha, config);
	await say(files.length === 0 ? ":: nothing that says what is to be run" : `:: ${files.map(({ path }) => path).join(", ")}`);
	const changed = await changedPaths(git, at, changes);
	if (changed) await say(`:: ${changed.length} changed ${changed.length === 1 ? "path" : "paths"}`);
	else if (changes) await say(":: what has changed cannot be told");
	if (default_branch === undefined || (await hasBranch(git, default_branch))) return { files, changed };
	await say(`:: the repository has no branch ${default_branch}, which the project names as its default branch`);
	return { files, changed, lacks_default_branch: true };
}

async function hasBranch(git: Git, name: string): Promise<boolean> {
	return (await git.overNetwork(() => git.output("ls-remote", "origin", `refs/heads/${name}`))) !== "";
}

interface Entry {
	path: string;
	object: string;
	isFolder: boolean;
}

async function readFiles(git: Git, sha: string, config: string | null): Promise<DiscoveryResult["files"]> {
	const roots = await listed(git, sha, config === null ? [...CONFIG_FILES, CONFIG_FOLDER] : [config.replace(/\/+$/, "")]);
	const folders = roots.filter(({ isFolder }) => isFolder).map(({ path }) => `${path}/`);
	const inside = folders.length > 0 ? await listed(git, sha, folders) : [];
	const files = [...roots, ...inside.filter(({ path }) => /\.ya?ml$/.test(path))].filter(({ isFolder }) => !isFolder);
	if (files.length > MAX_PLAN_FILES)
		throw new JobError("config_invalid", `${files.length} files say what is to be run; at most ${MAX_PLAN_FILES} are read.`, "failed");
	const result: DiscoveryResult["files"] = [];
	let bytes = 0;
	for (const { path, object } of files) {
		const size = Number(await git.output("cat-file", "-s", object));
		if (size > MAX_PLAN_FILE_BYTES)
			throw new JobError("config_invalid", `${path} has ${size} bytes; a pipeline file has at most ${MAX_PLAN_FILE_BYTES}.`, "failed");
		bytes += size;
		if (bytes > MAX_PLAN_BYTES)
			throw new JobError("config_invalid", `The files that say what is to be run have more than ${MAX_PLAN_BYTES} bytes.`, "failed");
		result.push({ path, text: await git.text("cat-file", "blob", object) });
	}
	return result;
}

/** Files and folders at a commit; links are none. */
async function listed(git: Git, sha: string, paths: readonly string[]): Promise<Entry[]> {
	const listing = await git.text("ls-tree", "-z", "--full-tree", sha, "--", ...paths);
	return listing.split("\0").flatMap((line): Entry[] => {
		const [, mode, kind, object, path] = /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
		if (path === undefined || object === undefined || mode === "120000") return [];
		return kind === "blob" || kind === "tree" ? [{ path, object, isFolder: kind === "tree" }] : [];
	});
}

/** The paths that have changed; null where that cannot be told: the commit before may be gone, or the history too long. */
async function changedPaths(git: Git, at: LookedAt, changes: DiscoveryWork["changes"]): Promise<string[] | null> {
	if (changes === null) return null;
	try {
		const base = "since" in changes ? await fetched(git, changes.since) : await beginning(git, at, changes.target);
		if (base === null) return null;
		const listing = await git.text("diff", "--name-only", "--no-renames", "-z", base, at.sha);
		const paths = listing.split("\0").filter((path) => path !== "");
		return paths.length > MAX_CHANGED_PATHS ? null : paths;
	} catch (error) {
		if (error instanceof GitFailed || error instanceof CheckoutFailed) return null;
		throw error;
	}
}

async function fetched(git: Git, sha: string): Promise<string> {
	await git.overNetwork(() => git.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", sha));
	return sha;
}

/** Where a pull request has left the branch that it is to go into. */
async function beginning(git: Git, { sha, ref }: LookedAt, target: string): Promise<string | null> {
	for (const depth of DEPTHS) {
		const heads = [`+refs/heads/${target}:refs/windlass/target`, ...(ref === null ? [] : [ref])];
		await git.overNetwork(() => git.run("fetch", "--quiet", `--depth=${depth}`, "--no-tags", "origin", ...heads));
		if (await git.succeeds("merge-base", sha, "refs/windlass/target")) return git.output("merge-base", sha, "refs/windlass/target");
	}
	return null;
}
