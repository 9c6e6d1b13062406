import { folderMatcher, literalBase, pathMatcher } from "../../schema/pipeline/syntax/patterns.ts";
import { shownPath } from "../../schema/wire/paths.ts";
import { ConfinedFileError, isGone } from "../files/confined_file_error.ts";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import type { EntryKind } from "../files/folder_entry.ts";
import { type WalkedEntry, walkFolder } from "../files/walk_folder.ts";

/** The files that patterns match in a folder. */
export interface FoundFiles {
	/** Files, and links to files; also links that lead out of the folder, which cannot be opened. */
	files: string[];
	/** Links that lead to a folder or to nothing: they name no file. */
	links: string[];
	/** Entries that the patterns match, or may match, and that cannot be opened. */
	unreadable: LeftOut[];
}

/** An entry that patterns match and that is left out. */
export interface LeftOut {
	/** The path in its shown form. */
	shown: string;
	/** The reason, such as `has a line break in its name`. */
	why: string;
}

/**
 * Finds the files that the patterns match, as sorted relative paths. A pattern that matches a
 * folder matches all files in it; `!` excludes. Links to folders are not followed: their files are
 * found at their own paths. Folders in which nothing can match are not entered.
 */
export async function findFiles(root: ConfinedFolder, patterns: readonly string[]): Promise<FoundFiles> {
	const [isWanted, mayHoldWanted] = [pathMatcher(patterns), folderMatcher(patterns)];
	const found = { files: new Set<string>(), links: new Set<string>() };
	const unreadable = new Map<string, string>();
	const entered = new Set<string>();
	const take = async (name: string, kind: EntryKind) => {
		if (!isWanted(name)) return;
		if (kind === "file") found.files.add(name);
		if (kind === "link") found[await listOf(root, name)].add(name);
	};
	const takeRaw = ({ path, shown, raw }: WalkedEntry) => {
		if ((raw?.kind === "file" || raw?.kind === "link") && isWanted(path)) unreadable.set(shown, "has a name that is not UTF-8");
	};
	const isNew = (folder: string) => !entered.has(folder) && entered.add(folder).has(folder);
	const leaveOut = (path: string, error: ConfinedFileError) => unreadable.set(shownPath(path), error.why);
	// Only the folders in which a pattern begins are walked.
	for (const base of new Set(patterns.filter((pattern) => !pattern.startsWith("!")).flatMap(basesOf))) {
		const kind = await kindOf(root, base, leaveOut);
		if (kind !== "folder") {
			if (kind) await take(base, kind);
			if (kind === "link" && !isWanted(base)) await leaveOutOutside(root, base, leaveOut);
			continue;
		}
		if (!isNew(base)) continue;
		const folder = await root.folder(base);
		try {
			const isEntered = (path: string) => mayHoldWanted(path) && isNew(path);
			for await (const entry of walkFolder(folder, { isEntered, prefix: base, onUnreadable: leaveOut })) {
				if (entry.raw) takeRaw(entry);
				else await take(entry.path, entry.kind);
			}
		} finally {
			await folder.close();
		}
	}
	return {
		files: [...found.files].sort(),
		links: [...found.links].sort(),
		unreadable: [...unreadable].map(([shown, why]) => ({ shown, why })),
	};
}

/**
 * The folders in which a pattern can match. A name beyond ASCII has several spellings, so its
 * parent folder counts, too.
 */
function basesOf(pattern: string): string[] {
	const base = literalBase(pattern);
	const names = base.split("/");
	const first = names.findIndex((name) => /[^ -~]/.test(name));
	return first === -1 ? [base] : [base, names.slice(0, first).join("/")];
}

/** Leaves out a link that leads out of the folder: its target is not read. */
async function leaveOutOutside(
	root: ConfinedFolder,
	link: string,
	leaveOut: (name: string, error: ConfinedFileError) => void,
): Promise<void> {
	try {
		await (await root.folder(link)).close();
	} catch (error) {
		if (!(error instanceof ConfinedFileError)) throw error;
		if (error.problem === "outside") leaveOut(link, error);
	}
}

/** The kind of an entry; null if it does not exist, or cannot be read. */
async function kindOf(
	root: ConfinedFolder,
	name: string,
	onUnreadable: (name: string, error: ConfinedFileError) => void,
): Promise<EntryKind | null> {
	if (name === "") return "folder";
	try {
		return await root.kindOf(name);
	} catch (error) {
		if (!(error instanceof ConfinedFileError)) throw error;
		onUnreadable(name, error);
		return null;
	}
}

/** The list to which a link belongs. A target outside the folder is not read, not even its kind. */
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
