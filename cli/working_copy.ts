import { execFile } from "node:child_process";
import { lstat, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packTar, type TarEntry } from "modern-tar";
import { MAX_CHANGED_PATHS } from "../schema/wire/limits.ts";
import { UsageError } from "./usage_error.ts";

/**
 * The working copy as the source of a run: the files that git tracks, and new files that it does
 * not ignore.
 */

const run = promisify(execFile);
const LIST_BYTES = 256 * 1024 * 1024;

async function git(folder: string, ...args: string[]): Promise<string | null> {
	try {
		return (await run("git", ["-C", folder, ...args], { maxBuffer: LIST_BYTES })).stdout;
	} catch {
		return null;
	}
}

/**
 * The files of a working copy, relative to its folder.
 * @throws UsageError for a folder that is no working copy
 */
async function workingFiles(folder: string): Promise<string[]> {
	const listed = await git(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".");
	if (listed === null)
		throw new UsageError(`${folder} is no working copy of git. Run git init, or use windlass run with --no-source or --git.`);
	return [...new Set(listed.split("\0").filter(Boolean))].sort();
}

/** The working copy as a tar archive. */
export async function packWorkingCopy(folder: string): Promise<Uint8Array> {
	const entries: TarEntry[] = [];
	for (const name of await workingFiles(folder)) {
		const file = path.join(folder, name);
		const info = await lstat(file).catch(() => null);
		// Deleted since git listed it, or the folder of a nested repository.
		if (!info || info.isDirectory()) continue;
		const header = { name, mode: info.mode & 0o111 ? 0o755 : 0o644, mtime: info.mtime };
		if (info.isSymbolicLink()) entries.push({ header: { ...header, type: "symlink", linkname: await readlink(file), size: 0 } });
		else if (info.isFile()) entries.push({ header: { ...header, type: "file", size: info.size }, body: await readFile(file) });
	}
	if (entries.length === 0)
		throw new UsageError(`${folder} has no files, or git ignores all of them. Add a file, or use windlass run --no-source.`);
	return packTar(entries);
}

/** The top folder of the working copy that a folder is in; null if it is in none. */
export async function topOfWorkingCopy(folder: string): Promise<string | null> {
	return (await git(folder, "rev-parse", "--show-toplevel"))?.trim() || null;
}

/** The checked-out branch; null if there is none. */
export async function currentBranch(folder: string): Promise<string | null> {
	return (await git(folder, "symbolic-ref", "--quiet", "--short", "HEAD"))?.trim() || null;
}

/** The checked-out commit; null before the first. */
export async function currentCommit(folder: string): Promise<string | null> {
	return (await git(folder, "rev-parse", "--verify", "--quiet", "HEAD"))?.trim() || null;
}

/**
 * The paths that changed since the branch left the default branch, with uncommitted changes. Null
 * if the default branch is unknown, or for too many or no changes: a run of an unchanged default
 * branch is a run of all of it.
 */
export async function changedPaths(folder: string): Promise<string[] | null> {
	for (const main of ["origin/HEAD", "origin/main", "origin/master", "main", "master"]) {
		const base = (await git(folder, "merge-base", main, "HEAD"))?.trim();
		if (!base) continue;
		const changed = await git(folder, "diff", "--name-only", "--no-renames", "--relative", "-z", base);
		const added = await git(folder, "ls-files", "--others", "--exclude-standard", "-z");
		if (changed === null || added === null) return null;
		const paths = [...new Set(`${changed}${added}`.split("\0").filter(Boolean))];
		return paths.length === 0 || paths.length > MAX_CHANGED_PATHS ? null : paths;
	}
	return null;
}
