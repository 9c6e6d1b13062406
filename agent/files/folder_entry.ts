import { isUtf8 } from "node:buffer";
import type { Dirent } from "node:fs";

/** The kind of an entry. `other`: a FIFO, a socket, a device, or a name that is not UTF-8. */
export type EntryKind = "file" | "folder" | "link" | "other";

export interface FolderEntry {
	/** A name that is not UTF-8 has U+FFFD in place of the other bytes. */
	name: string;
	kind: EntryKind;
	/** The bytes of a name that is not UTF-8, and the real kind of the entry. */
	raw: { bytes: Buffer; kind: EntryKind } | null;
}

export function entryOf(entry: Dirent): FolderEntry {
	return { name: entry.name, kind: kindOf(entry), raw: null };
}

export function entryOfBytes(entry: Dirent<Buffer>): FolderEntry {
	const kind = kindOf(entry);
	const name = entry.name.toString();
	return isUtf8(entry.name) ? { name, kind, raw: null } : { name, kind: "other", raw: { bytes: entry.name, kind } };
}

function kindOf(entry: Dirent | Dirent<Buffer>): EntryKind {
	if (entry.isDirectory()) return "folder";
	if (entry.isFile()) return "file";
	return entry.isSymbolicLink() ? "link" : "other";
}
