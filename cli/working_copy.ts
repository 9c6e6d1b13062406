import { execFile } from "node:child_process";
import { lstat, readFile, readlink } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { packTar, type TarEntry } from "modern-tar";
import { MAX_CHANGED_PATHS } from "../schema/wire/limits.ts";
import { UsageError } from "./usage_error.ts";

/** The folder that a person works in, as a build is made of it: what git knows of, and what is new and not ignored. */

const run = promisify(execFile);
const LIST_BYTES = 256 * 1024 * 1024;

async function git(folder: string, ...args: string[]): Promise<string | null> {
	try {
		return (await run("git", ["-C", folder, ...args], { maxBuffer: LIST_BYTES })).stdout;
	} catch {
		return null;
	}
}

/** The files of a working copy, relative to its folder. @throws UsageError where git does not know it */
async function workingFiles(folder: string): Promise<string[]> {
	const listed = await git(folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".");
	if (listed === null)
		throw new UsageError(
			`${folder} is no working copy of git: make it one with git init, or, for windlass run, leave the source out with --no-source or name a repository with --git`,
		);
	return [...new Set(listed.split("\0").filter(Boolean))].sort();
}

/** The working copy as a tar archive. */
export async function packWorkingCopy(folder: string): Promise<Uint8Array> {
	const entries: TarEntry[] = [];
	for (const name of await workingFiles(folder)) {
		const file = path.join(folder, name);
		const info = await lstat(file).catch(() => null);
		// Deleted since git looked, or a folder of another repository.
		if (!info || info.isDirectory()) continue;
		const header = { name, mode: info.mode & 0o111 ? 0o755 : 0o644, mtime: info.mtime };
		if (info.isSymbolicLink()) entries.push({ header: { ...header, type: "symlink", linkname: await readlink(file), size: 0 } });
		else if (info.isFile()) entries.push({ header: { ...header, type: "file", size: info.size }, body: await readFile(file) });
	}
	if (entries.length === 0) throw new UsageError(`${folder} holds no file that git would take`);
	return packTar(entries);
}

/** The branch that is checked out; null if there is none. */
export async function currentBranch(folder: string): Promise<string | null> {
	return (await git(folder, "symbolic-ref", "--quiet", "--short", "HEAD"))?.trim() || null;
}

/**
 * The paths that differ from where the branch left the main line, with what is not committed. Null if that cannot be told, or is too much to tell,
 * or if there are none: whoever runs the main line as it is means all of it.
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
