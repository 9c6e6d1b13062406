import { CONFIG_FILES, CONFIG_FOLDER, type DiscoveryResult, type DiscoveryWork } from "../../schema/wire/discovery.ts";
import { MAX_CHANGED_PATHS, MAX_DISCOVERY_BYTES, MAX_DISCOVERY_FILE_BYTES, MAX_DISCOVERY_FILES } from "../../schema/wire/limits.ts";
import { JobError } from "../outcome.ts";
import { listEntries } from "./blobs.ts";
import { CheckoutFailed, GitFailed } from "./errors.ts";
import type { Git } from "./git.ts";
import { type IncludeSources, includedFiles } from "./included_files.ts";

/**
 * Reads the pipeline files of a commit, and the paths that changed. The agent reads git's objects:
 * it writes no file of the repository to the disk, and no link in the repository leads anywhere.
 */

/** The commit whose files are read, and the ref by which it was fetched. */
export interface DiscoveredCommit {
	sha: string;
	ref: string | null;
}

/** The numbers of commits in which the agent looks for the beginning of a pull request. */
const DEPTHS = [50, 500, 5_000];

/** @throws JobError for more files, or larger ones, than a discovery may have */
export async function discoverPipelines(
	git: Git,
	at: DiscoveredCommit,
	{ config, changes, default_branch, projects }: DiscoveryWork,
	{ fetch, writeLine }: Pick<IncludeSources, "fetch" | "writeLine">,
): Promise<DiscoveryResult> {
	const files = await readFiles(git, at.sha, config);
	await writeLine(files.length === 0 ? ":: the repository has no pipeline file" : `:: ${files.map(({ path }) => path).join(", ")}`);
	const included = files.some(({ text }) => text.includes("include"))
		? await includedFiles({ git, sha: at.sha, projects, fetch, writeLine }, files)
		: [];
	const { base, changed } = await changesSince(git, at, changes);
	if (changed) await writeLine(`:: ${changed.length} changed ${changed.length === 1 ? "path" : "paths"}`);
	else if (changes) await writeLine(":: the changed paths cannot be found out");
	if (default_branch === undefined || (await hasBranch(git, default_branch))) return { files, changed, included, base };
	await writeLine(`:: the repository has no branch ${default_branch}, the default branch of the project`);
	return { files, changed, included, base, is_default_branch_missing: true };
}

async function hasBranch(git: Git, name: string): Promise<boolean> {
	return (await git.overNetwork(() => git.output("ls-remote", "origin", `refs/heads/${name}`))) !== "";
}

async function readFiles(git: Git, sha: string, config: string | null): Promise<DiscoveryResult["files"]> {
	const roots = await listEntries(git, sha, config === null ? [...CONFIG_FILES, CONFIG_FOLDER] : [config.replace(/\/+$/, "")]);
	const folders = roots.filter(({ isFolder }) => isFolder).map(({ path }) => `${path}/`);
	const inside = folders.length > 0 ? await listEntries(git, sha, folders) : [];
	const files = [...roots, ...inside.filter(({ path }) => /\.ya?ml$/.test(path))].filter(({ isFolder }) => !isFolder);
	if (files.length > MAX_DISCOVERY_FILES)
		throw new JobError(
			"config_invalid",
			`The repository has ${files.length} pipeline files. At most ${MAX_DISCOVERY_FILES} are allowed.`,
			"failed",
		);
	const result: DiscoveryResult["files"] = [];
	let bytes = 0;
	for (const { path, object } of files) {
		const size = Number(await git.output("cat-file", "-s", object));
		if (size > MAX_DISCOVERY_FILE_BYTES)
			throw new JobError("config_invalid", `${path} has ${size} bytes; a pipeline file can have ${MAX_DISCOVERY_FILE_BYTES}.`, "failed");
		bytes += size;
		if (bytes > MAX_DISCOVERY_BYTES)
			throw new JobError("config_invalid", `The pipeline files have more than ${MAX_DISCOVERY_BYTES} bytes together.`, "failed");
		result.push({ path, text: await git.text("cat-file", "blob", object) });
	}
	return result;
}

/**
 * The commit that the changes are compared with, and the changed paths. They are null if that commit
 * is gone, or the history is too long.
 */
async function changesSince(
	git: Git,
	at: DiscoveredCommit,
	changes: DiscoveryWork["changes"],
): Promise<{ base: string | null; changed: string[] | null }> {
	const unknown = { base: null, changed: null };
	if (changes === null) return unknown;
	try {
		const base = "since" in changes ? await fetched(git, changes.since) : await branchingPoint(git, at, changes.target);
		if (base === null) return unknown;
		const listing = await git.text("diff", "--name-only", "--no-renames", "-z", base, at.sha);
		const paths = listing.split("\0").filter((path) => path !== "");
		return { base, changed: paths.length > MAX_CHANGED_PATHS ? null : paths };
	} catch (error) {
		if (error instanceof GitFailed || error instanceof CheckoutFailed) return unknown;
		throw error;
	}
}

async function fetched(git: Git, sha: string): Promise<string> {
	await git.overNetwork(() => git.run("fetch", "--quiet", "--depth=1", "--no-tags", "origin", sha));
	return sha;
}

/** The commit at which a pull request branched off from its target. */
async function branchingPoint(git: Git, { sha, ref }: DiscoveredCommit, target: string): Promise<string | null> {
	for (const depth of DEPTHS) {
		const heads = [`+refs/heads/${target}:refs/windlass/target`, ...(ref === null ? [] : [ref])];
		await git.overNetwork(() => git.run("fetch", "--quiet", `--depth=${depth}`, "--no-tags", "origin", ...heads));
		if (await git.succeeds("merge-base", sha, "refs/windlass/target")) return git.output("merge-base", sha, "refs/windlass/target");
	}
	return null;
}
