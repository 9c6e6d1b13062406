import { linkSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { type FolderLock, lockFolder } from "../../agent/machine/folder_lock.ts";
import packageManifest from "../../package.json" with { type: "json" };
import { ArchiveWriter } from "./archive.ts";
import { assertOpens } from "./key_check.ts";
import { isLeftOut, markLeftOut } from "./left_out.ts";
import { type BackupPart, FORMAT, KEYS, MANIFEST, MAX_MANIFEST_BYTES, type Manifest } from "./manifest.ts";
import { type Keys, sealKeys } from "./sealed_keys.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";

/** Makes a backup of a data folder, while its coordinator runs or stands still. */

export interface BackupOptions {
	/** The data folder. */
	folder: string;
	/** The file to write. */
	file: string;
	leftOut: readonly BackupPart[];
	/** The keys to seal; null: they are not in the backup. */
	keys: (Keys & { passphrase: string }) | null;
	/** Finds the workerd processes of the coordinator. */
	workers: () => readonly number[];
	/** Called with the share that is done, from 0 to 1. */
	onProgress?: (share: number) => void;
}

/** Pages that are copied at once: other work gets its turn in between. */
const PAGES_AT_ONCE = 2_000;
const RECORD = `${path.sep}d1${path.sep}`;
const OBJECTS = `${path.sep}r2${path.sep}`;
const EXAMPLE = "example-repository";
const METADATA = "metadata.sqlite";
const LINKS = "backup";
const BLOBS = path.join("storage", "r2", "windlass", "blobs");

export async function makeBackup({ folder, file, leftOut, keys, workers, onProgress = () => undefined }: BackupOptions): Promise<Manifest> {
	// A killed backup has left its own.
	const scratch = `${path.resolve(file)}.copies`;
	await rm(scratch, { recursive: true, force: true });
	await mkdir(scratch, { mode: 0o700 });
	let snapshot: Snapshot | null = null;
	const archive = new ArchiveWriter(path.resolve(file));
	// The links are beside the objects, since a link stays on its disk. One backup at a time.
	const links = path.join(folder, LINKS);
	let lock: FolderLock | null = null;
	try {
		lock = lockFolder(links);
		snapshot = await takeSnapshot(folder, workers);
		const objects = linkObjects(folder, links, snapshot, leftOut);
		const copies = new Copies(scratch, leftOut);
		for (const { path: place, database } of snapshot.databases) {
			if (keys && place.includes(RECORD)) assertOpens(database, keys);
			const copy = await copies.of(place, database, objects.missing);
			database.close();
			await archive.addFile(place, copy);
			await rm(copy, { force: true });
		}
		await addObjects(links, objects.found, archive, onProgress);
		await addExample(folder, archive);
		if (keys) {
			const { passphrase, ...sealed } = keys;
			await archive.addBytes(KEYS, sealKeys(sealed, passphrase));
		}
		const made: Manifest = {
			...{ format: FORMAT, version: packageManifest.version, made_at: new Date().toISOString(), left_out: [...leftOut] },
			...{ has_keys: keys !== null, objects_deleted: objects.missing.size, held_ms: Math.round(snapshot.heldMs), files: archive.files },
		};
		const text = Buffer.from(JSON.stringify({ ...made, files: [...archive.files] }));
		if (text.byteLength > MAX_MANIFEST_BYTES) throw new Error("there are too many files for one backup");
		await archive.addBytes(MANIFEST, text);
		await archive.finish();
		onProgress(1);
		return made;
	} catch (error) {
		await archive.abort();
		throw error;
	} finally {
		snapshot?.close();
		await rm(scratch, { recursive: true, force: true });
		lock?.release();
		if (lock) await rm(links, { recursive: true, force: true });
	}
}

/** Copies of databases, changed so that they say what the backup has. */
class Copies {
	readonly #scratch: string;
	readonly #leftOut: readonly BackupPart[];

	constructor(scratch: string, leftOut: readonly BackupPart[]) {
		this.#scratch = scratch;
		this.#leftOut = leftOut;
	}

	/** A copy of a database as the snapshot sees it. @param missing the keys of objects that are gone */
	async of(place: string, database: DatabaseSync, missing: ReadonlySet<string>): Promise<string> {
		const file = path.join(this.#scratch, "copy.sqlite");
		await backup(database, file, { rate: PAGES_AT_ONCE });
		const isObjects = place.includes(OBJECTS);
		if (isObjects ? missing.size === 0 && this.#leftOut.length === 0 : this.#leftOut.length === 0) return file;
		const copy = new DatabaseSync(file);
		try {
			if (isObjects) forget(copy, missing, this.#leftOut);
			else if (place.includes(RECORD) || place.includes("Dispatcher")) markLeftOut(copy, this.#leftOut, Date.now());
			copy.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		} finally {
			copy.close();
		}
		return file;
	}
}

/** Forgets objects that are not in the backup. */
function forget(copy: DatabaseSync, missing: ReadonlySet<string>, leftOut: readonly BackupPart[]): void {
	if (!hasObjects(copy)) return;
	copy.exec("PRAGMA foreign_keys = OFF");
	for (const { key } of copy.prepare("SELECT key FROM _mf_objects").all() as { key: string }[]) {
		if (!missing.has(key) && !isLeftOut(key, leftOut)) continue;
		copy.prepare("DELETE FROM _mf_objects WHERE key = ?").run(key);
		copy.prepare("DELETE FROM _mf_multipart_parts WHERE object_key = ?").run(key);
	}
}

function hasObjects(database: DatabaseSync): boolean {
	return database.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_mf_objects'").get() !== undefined;
}

/** The bundled example is a repository of its own, which nobody writes to. */
async function addExample(folder: string, archive: ArchiveWriter): Promise<void> {
	const found = await readdir(path.join(folder, EXAMPLE), { recursive: true, withFileTypes: true }).catch(() => []);
	for (const entry of found.filter((one) => one.isFile())) {
		const file = path.join(entry.parentPath, entry.name);
		await archive.addFile(path.relative(folder, file), file);
	}
}

interface LinkedObject {
	blob: string;
	size: number;
}

/**
 * Keeps the contents of the object storage: a link to each file outlives its deletion. Contents never
 * change; a changed object is another file.
 * @returns the keys of objects that were deleted in the moments since the snapshot, and the others
 */
function linkObjects(
	folder: string,
	links: string,
	{ databases }: Snapshot,
	leftOut: readonly BackupPart[],
): { missing: Set<string>; found: LinkedObject[] } {
	const missing = new Set<string>();
	const found: LinkedObject[] = [];
	for (const { path: place, database } of databases) {
		if (!place.includes(OBJECTS) || path.basename(place) === METADATA || !hasObjects(database)) continue;
		const all = database
			.prepare(
				`SELECT key, blob_id AS blob, size FROM _mf_objects WHERE blob_id IS NOT NULL
				UNION ALL SELECT object_key, blob_id, size FROM _mf_multipart_parts WHERE object_key IS NOT NULL`,
			)
			.all() as { key: string; blob: string; size: number }[];
		for (const { key, blob, size } of all) {
			if (isLeftOut(key, leftOut)) continue;
			try {
				linkSync(path.join(folder, BLOBS, blob), path.join(links, blob));
				found.push({ blob, size });
			} catch (error) {
				const { code } = error as NodeJS.ErrnoException;
				if (code === "ENOENT") missing.add(key);
				// A killed backup has left it.
				else if (code === "EEXIST") found.push({ blob, size });
				else throw error;
			}
		}
	}
	return { missing, found };
}

async function addObjects(
	links: string,
	objects: readonly LinkedObject[],
	archive: ArchiveWriter,
	onProgress: (share: number) => void,
): Promise<void> {
	const all = objects.reduce((sum, { size }) => sum + size, 0);
	let done = 0;
	for (const { blob, size } of objects) {
		await archive.addFile(path.join(BLOBS, blob), path.join(links, blob));
		done += size;
		onProgress(done / Math.max(1, all));
	}
}
