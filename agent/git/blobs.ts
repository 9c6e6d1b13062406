import { MAX_DISCOVERY_FILE_BYTES } from "../../schema/wire/limits.ts";
import type { Git } from "./git.ts";

/** Files of a commit, from git's objects: nothing is written to the disk, and no link leads anywhere. */

export interface TreeEntry {
	path: string;
	object: string;
	isFolder: boolean;
}

/** The files and folders with these paths in a commit, without links. */
export async function listEntries(git: Git, sha: string, paths: readonly string[]): Promise<TreeEntry[]> {
	const listing = await git.text("ls-tree", "-z", "--full-tree", sha, "--", ...paths);
	return listing.split("\0").flatMap((line): TreeEntry[] => {
		const [, mode, kind, object, path] = /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
		if (path === undefined || object === undefined || mode === "120000") return [];
		return kind === "blob" || kind === "tree" ? [{ path, object, isFolder: kind === "tree" }] : [];
	});
}

/** The text of a file; its size, if it is too large; null if there is no such file. */
export async function readBlob(git: Git, sha: string, path: string): Promise<string | { size: number } | null> {
	const [entry] = await listEntries(git, sha, [path]);
	if (!entry || entry.isFolder) return null;
	const size = Number(await git.output("cat-file", "-s", entry.object));
	return size > MAX_DISCOVERY_FILE_BYTES ? { size } : git.text("cat-file", "blob", entry.object);
}
