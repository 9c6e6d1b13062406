import { ConfinedFileError, type ConfinedFolder, type EntryKind, isGone, joined, MAX_DEPTH } from "./confined_files.ts";

/** An entry that a walk has come to. */
export interface WalkedEntry {
	/** Its path from the folder where the walk began. */
	path: string;
	kind: EntryKind;
	/** The folder that holds it; open until the walk is asked for the next entry. */
	parent: ConfinedFolder;
	/** Its name in that folder. */
	name: string;
}

/**
 * Everything in a folder, however deep, in the order of the names. Links are entries, and are not
 * followed. What is removed or replaced meanwhile is left out.
 * @param isEntered whether a folder is looked into
 * @param prefix what the paths begin with
 * @throws ConfinedFileError for folders that are nested too deep
 */
export async function* walkFolder(
	folder: ConfinedFolder,
	isEntered: (path: string) => boolean = () => true,
	prefix = "",
	depth = 0,
): AsyncGenerator<WalkedEntry> {
	if (depth > MAX_DEPTH) throw new ConfinedFileError("too_deep", prefix, `is nested more than ${MAX_DEPTH} folders deep`);
	for (const { name, kind } of await folder.entries(prefix)) {
		const path = joined(prefix, name);
		yield { path, kind, parent: folder, name };
		if (kind !== "folder" || !isEntered(path)) continue;
		const inner = await folderOrNothing(folder, name);
		if (!inner) continue;
		try {
			yield* walkFolder(inner, isEntered, path, depth + 1);
		} finally {
			await inner.close();
		}
	}
}

async function folderOrNothing(parent: ConfinedFolder, name: string): Promise<ConfinedFolder | null> {
	try {
		return await parent.folder(name, "none");
	} catch (error) {
		if (isGone(error)) return null;
		throw error;
	}
}
