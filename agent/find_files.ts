import { lstat, readdir, stat } from "node:fs/promises";
import path from "node:path";
import picomatch from "picomatch";

/** What patterns name in a folder. */
export interface FoundFiles {
	/** Files, and links to files. */
	files: string[];
	/** Links that lead to a folder or to nothing: they name no file. */
	links: string[];
}

/**
 * The files of a folder that the patterns name, by their relative paths, sorted. A pattern that names a folder names all that is in it;
 * `!` excludes. Links to folders are not followed: what they lead to is found where it is.
 */
export async function findFiles(root: string, patterns: readonly string[]): Promise<FoundFiles> {
	const plain = patterns.map((pattern) =>
		pattern
			.replace(/^(!?)(?:\.\/)+/, "$1")
			.replace(/\/+$/, "")
			.replace(/^(!?)\.?$/, "$1**"),
	);
	const wanted = plain.filter((pattern) => !pattern.startsWith("!"));
	const excluded = plain.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1));
	const isWanted = picomatch(withContents(wanted), { dot: true, ignore: withContents(excluded) });
	// Of the tree only the parts in which a pattern begins are walked.
	const waiting = [...new Set(wanted.map((pattern) => picomatch.scan(pattern).base))];
	const seen = new Set<string>();
	const found: FoundFiles = { files: [], links: [] };
	for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
		if (seen.has(name)) continue;
		seen.add(name);
		const kind = await kindOf(path.join(root, name));
		if (kind === "folder") for (const inner of await readdir(path.join(root, name))) waiting.push(name === "" ? inner : `${name}/${inner}`);
		else if (kind && isWanted(name)) found[kind].push(name);
	}
	found.files.sort();
	return found;
}

function withContents(patterns: readonly string[]): string[] {
	return patterns.flatMap((pattern) => [pattern, `${pattern}/**`]);
}

/** Null for what is not there, and for what is neither file nor folder: a socket, a pipe, a device. */
async function kindOf(file: string): Promise<"folder" | "files" | "links" | null> {
	try {
		const info = await lstat(file);
		if (info.isDirectory()) return "folder";
		if (info.isFile()) return "files";
		if (!info.isSymbolicLink()) return null;
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "ENOTDIR") return null;
		throw error;
	}
	const target = await stat(file).catch(() => null);
	return target?.isFile() ? "files" : "links";
}
