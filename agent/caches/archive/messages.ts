import type { CACHE_COMPRESSIONS } from "../../../schema/wire/caches.ts";
import type { ArchiveBounds } from "./archive_rule.ts";

/** What the agent and its threads for archives say to each other. */

export type Task =
	| {
			kind: "pack";
			/** The folder that holds the roots, and nothing else. */
			folder: string;
			roots: readonly string[];
			/** Null: the archive is only read through, for its digest. */
			compression: (typeof CACHE_COMPRESSIONS)[number] | null;
	  }
	| { kind: "unpack"; folder: string; bounds: ArchiveBounds }
	/** `fingerprint`: that of an unchanged folder; null: it is copied as it is. */
	| { kind: "copy"; from: string; to: string; fingerprint: string | null };

/** To a thread. */
export type ToThread =
	/** The next part of the archive to unpack; null: it was the last. */
	| { part: Uint8Array | null }
	/** A part that it has packed was taken. */
	| { taken: true }
	/** Whether the folder was copied by a program; otherwise the thread copies it. */
	| { copied: boolean };

/** A part of a compressed archive. */
export interface PackedPart {
	bytes: Uint8Array;
	sha256: string;
}

export interface PackedArchive {
	/** sha256 of the archive before it is compressed. */
	content: string;
	files: number;
	bytes: number;
	leftOut: number;
	/** Of the folder that was packed, as it is now. */
	fingerprint: string;
}

export interface UnpackedArchive {
	content: string;
	roots: string[];
}

/** From a thread. */
export type FromThread =
	| { part: PackedPart }
	| { taken: true }
	| { packed: PackedArchive }
	| { unpacked: UnpackedArchive }
	/** The fingerprint of what was copied; of the copy, if none was given. Null: the folder has changed, and there is no copy. */
	| { copied: string | null }
	/** `isDamaged`: the archive is what is wrong. */
	| { error: string; isDamaged: boolean };
