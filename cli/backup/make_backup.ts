import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import packageManifest from "../../package.json" with { type: "json" };
import { ArchiveWriter } from "./archive.ts";
import { isLeftOut, markLeftOut } from "./left_out.ts";
import { type BackupPart, FORMAT, KEYS, MANIFEST, type Manifest } from "./manifest.ts";
import { sealKeys } from "./sealed_keys.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";

/** Makes a backup of a data folder, while its coordinator runs or stands still. */

export interface BackupOptions {
	/** The data folder. */
	folder: string;
	/** The file to write. */
	file: string;
	leftOut: readonly BackupPart[];
	/** The keys to seal; null: they are not in the backup. */
	keys: { masterKey: string; passphrase: string } | null;
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

export async function makeBackup({ folder, file, leftOut, keys, workers, onProgress = () => undefined }: BackupOptions): Promise<Manifest> {
	// A killed backup has left its own.
	const scratch = `${path.resolve(file)}.copies`;
	await rm(scratch, { recursive: true, force: true });
	await mkdir(scratch, { mode: 0o700 });
	let snapshot: Snapshot | null = null;
	const archive = new ArchiveWriter(path.resolve(file));
	try {
		snapshot = await takeSnapshot(folder, workers);
		const copies = new Copies(scratch, leftOut);
		const objects = await addObjects(folder, snapshot, archive, leftOut, onProgress);
		for (const { path: place, database } of snapshot.databases) {
			const copy = await copies.of(place, database, objects.missing);
			database.close();
			await archive.addFile(place, copy);
			await rm(copy, { force: true });
		}
		await addExample(folder, archive);
		if (keys) await archive.addBytes(KEYS, sealKeys({ master_key: keys.masterKey }, keys.passphrase));
		const made: Manifest = {
			...{ format: FORMAT, version: packageManifest.version, made_at: new Date().toISOString(), left_out: [...leftOut] },
			...{ has_keys: keys !== null, objects_deleted: objects.missing.size, held_ms: Math.round(snapshot.heldMs), files: archive.files },
		};
		await archive.addBytes(MANIFEST, Buffer.from(JSON.stringify({ ...made, files: [...archive.files] })));
		await archive.finish();
		onProgress(1);
		return made;
	} catch (error) {
		await archive.abort();
		throw error;
	} finally {
		snapshot?.close();
		await rm(scratch, { recursive: true, force: true });
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

/** Adds the contents of the object storage, which never change. @returns the keys of those that are gone */
async function addObjects(
	folder: string,
	{ databases }: Snapshot,
	archive: ArchiveWriter,
	leftOut: readonly BackupPart[],
	onProgress: (share: number) => void,
): Promise<{ missing: Set<string> }> {
	const missing = new Set<string>();
	for (const { path: place, database } of databases) {
		if (!place.includes(OBJECTS) || path.basename(place) === METADATA || !hasObjects(database)) continue;
		const blobs = (
			database
				.prepare(
					`SELECT key, blob_id AS blob, size FROM _mf_objects WHERE blob_id IS NOT NULL
					UNION ALL SELECT object_key, blob_id, size FROM _mf_multipart_parts WHERE object_key IS NOT NULL`,
				)
				.all() as { key: string; blob: string; size: number }[]
		).filter(({ key }) => !isLeftOut(key, leftOut));
		const all = blobs.reduce((sum, { size }) => sum + size, 0);
		let done = 0;
		for (const { key, blob, size } of blobs) {
			const name = path.join("storage", "r2", "windlass", "blobs", blob);
			try {
				await archive.addFile(name, path.join(folder, name));
			} catch (error) {
				// Retention or a person has deleted it meanwhile.
				if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
				missing.add(key);
			}
			done += size;
			onProgress((0.9 * done) / Math.max(1, all));
		}
	}
	return { missing };
}
