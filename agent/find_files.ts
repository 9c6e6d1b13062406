import { pathMatcher } from "../schema/pipeline/patterns.ts";
import { ConfinedFileError, type ConfinedFolder, type EntryKind, isGone } from "./confined_files.ts";
import { walkFolder } from "./walk_folder.ts";

/** What patterns name in a folder. */
export interface FoundFiles {
	/** Files, and links to files; also links that lead out of the folder, which cannot be opened. */
	files: string[];
	/** Links that lead to a folder or to nothing: they name no file. */
	links: string[];
}

/**
 * The files of a folder that the patterns name, by their relative paths, sorted. A pattern that names a folder names all that is in it;
 * `!` excludes. Links to folders are not followed: what they lead to is found where it is.
 */
export async function findFiles(root: ConfinedFolder, patterns: readonly string[]): Promise<FoundFiles> {
	const isWanted = pathMatcher(patterns);
	const found = { files: new Set<string>(), links: new Set<string>() };
	const entered = new Set<string>();
	const take = async (name: string, kind: EntryKind) => {
		if (!isWanted(name)) return;
		if (kind === "file") found.files.add(name);
		if (kind === "link") found[await listOf(root, name)].add(name);
	};
	const isNew = (folder: string) => !entered.has(folder) && entered.add(folder).has(folder);
	// Of the tree only the parts in which a pattern begins are walked.
	for (const base of new Set(patterns.filter((pattern) => !pattern.startsWith("!")).map(baseOf))) {
		const kind = await kindOf(root, base);
		if (kind !== "folder") {
			if (kind) await take(base, kind);
			continue;
		}
		if (!isNew(base)) continue;
		const folder = await root.folder(base);
		try {
			for await (const entry of walkFolder(folder, isNew, base)) await take(entry.path, entry.kind);
		} finally {
			await folder.close();
		}
	}
	return { files: [...found.files].sort(), links: [...found.links].sort() };
}

/** The path that every file begins with that a pattern can name. */
function baseOf(pattern: string): string {
	const parts = pattern.split("/").filter((part) => part !== "" && part !== ".");
	const first = parts.findIndex((part) => /[*?[{]/.test(part));
	return (first === -1 ? parts : parts.slice(0, first)).join("/");
}

/** What stands there; null for nothing, and for what lies behind a link out of the folder. */
async function kindOf(root: ConfinedFolder, name: string): Promise<EntryKind | null> {
	if (name === "") return "folder";
	try {
		return await root.kindOf(name);
	} catch (error) {
		if (error instanceof ConfinedFileError) return null;
		throw error;
	}
}

/** Where a link belongs. What lies outside is not looked at, not even for what it is. */
async function listOf(root: ConfinedFolder, name: string): Promise<"files" | "links"> {
	try {
		await (await root.file(name)).close();
		return "files";
	} catch (error) {
		if (isGone(error)) return "links";
		if (error instanceof ConfinedFileError) return "files";
		throw error;
	}
}
