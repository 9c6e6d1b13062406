import { shownBytes, shownPath } from "../../schema/wire/paths.ts";
import { ConfinedFileError, isGone } from "./confined_file_error.ts";
import type { ConfinedFolder } from "./confined_folder.ts";
import type { FolderEntry } from "./folder_entry.ts";
import { joinPath } from "./relative_path.ts";
import { MAX_DEPTH } from "./resolve_path.ts";

/**
 * An entry that a walk has come to. Of what lies in a folder whose name is not UTF-8, `raw` is
 * given as well.
 */
export interface WalkedEntry extends FolderEntry {
	/** Its path from the folder where the walk began. */
	path: string;
	/** The same for people: every byte that is not UTF-8 can be seen. */
	shown: string;
	/** The folder that holds it; open until the walk is asked for the next entry. */
	parent: ConfinedFolder;
}

interface Walk {
	/** Whether a folder is looked into. Default: every one whose name is UTF-8. */
	isEntered?: (path: string, entry: FolderEntry) => boolean;
	/** The beginning of every path. */
	prefix?: string;
	/** Called for an unreadable folder; the walk continues without it. */
	onUnreadable?: (path: string, error: ConfinedFileError) => void;
}

/**
 * Everything in a folder, however deep, in the order of the names. Links are entries, and are not
 * followed. What is removed or replaced meanwhile is left out.
 * @throws ConfinedFileError for folders that are nested too deep or cannot be read, without
 * `onUnreadable`
 */
export function walkFolder(folder: ConfinedFolder, { prefix = "", ...walk }: Walk = {}): AsyncGenerator<WalkedEntry> {
	return walkFrom(folder, walk, { path: prefix, shown: null, depth: 0 });
}

interface Position {
	path: string;
	/** Given in a folder whose path is not UTF-8. */
	shown: string | null;
	depth: number;
}

async function* walkFrom(folder: ConfinedFolder, walk: Omit<Walk, "prefix">, at: Position): AsyncGenerator<WalkedEntry> {
	for (const entry of await entriesOf(folder, walk, at)) {
		const path = joinPath(at.path, entry.name);
		const hasRawPath = at.shown !== null || entry.raw !== null;
		const shown = hasRawPath ? shownIn(at.shown ?? shownPath(at.path), entry) : shownPath(path);
		const raw = hasRawPath ? (entry.raw ?? { bytes: Buffer.from(entry.name), kind: entry.kind }) : null;
		const walked: WalkedEntry = { name: entry.name, kind: hasRawPath ? "other" : entry.kind, raw, path, shown, parent: folder };
		yield walked;
		if ((raw?.kind ?? entry.kind) !== "folder" || !(walk.isEntered?.(path, walked) ?? raw === null)) continue;
		const inner = await folderOrNothing(folder, walked);
		if (!inner) continue;
		try {
			yield* walkFrom(inner, walk, { path, shown: hasRawPath ? shown : null, depth: at.depth + 1 });
		} finally {
			await inner.close();
		}
	}
}

async function entriesOf(folder: ConfinedFolder, { onUnreadable }: Walk, { path, depth }: Position): Promise<FolderEntry[]> {
	try {
		if (depth > MAX_DEPTH) throw new ConfinedFileError("too_deep", path, `is nested more than ${MAX_DEPTH} folders deep`);
		return await folder.entries(path);
	} catch (error) {
		if (!onUnreadable || !(error instanceof ConfinedFileError)) throw error;
		onUnreadable(path, error);
		return [];
	}
}

/** A path of which a part is not UTF-8, in quotes. */
function shownIn(folder: string, { name, raw }: FolderEntry): string {
	const [above, own] = [folder, raw ? shownBytes(raw.bytes) : shownPath(name)].map((text) => text.replace(/^"(.*)"$/s, "$1"));
	return `"${joinPath(above as string, own as string)}"`;
}

async function folderOrNothing(parent: ConfinedFolder, entry: FolderEntry): Promise<ConfinedFolder | null> {
	if (entry.raw !== null) return parent.folderOfBytes(entry);
	try {
		return await parent.folder(entry.name, "none");
	} catch (error) {
		if (isGone(error)) return null;
		throw error;
	}
}
