import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, readdirSync, realpathSync } from "node:fs";
import { mkdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdDecompress } from "node:zlib";
import { createTarDecoder } from "modern-tar";
import { FORMER_MASTER_KEY_FILE, KEY_FILE, MASTER_KEY_FILE, markRestored, writeNewKeys } from "../coordinator/data_folder.ts";
import { UsageError } from "../usage_error.ts";
import { assertOpens } from "./key_check.ts";
import { KEYS, MANIFEST, MAX_MANIFEST_BYTES, type Manifest, manifest } from "./manifest.ts";
import { type Keys, openKeys } from "./sealed_keys.ts";

/**
 * Restores a backup into a data folder. Everything is written beside it and checked; then it gets its
 * name. Whatever ends it before leaves nothing in the folder.
 */

export interface RestoreOptions {
	file: string;
	/** The data folder: absent or empty. */
	folder: string;
	/** Opens the keys; null: they are not restored. */
	passphrase: string | null;
	/** The master key in base64, in place of that of the backup; null: that of the backup, or else a new one. */
	masterKey: string | null;
}

/** What was restored. */
export interface Restored {
	manifest: Manifest;
	/** Whether secrets can be read: the master key is there. */
	hasMasterKey: boolean;
}

/** The places that a backup may write to. */
const PLACE = /^(?:storage|example-repository)\/(?:[\w.-]+\/)*[\w.-]+$/;

/** @throws UsageError for a folder that is not empty, or a backup that is not whole or damaged */
export async function restoreBackup({ file, folder, passphrase, masterKey }: RestoreOptions): Promise<Restored> {
	const isThere = existsSync(folder);
	const target = isThere ? realpathSync(folder) : path.resolve(folder);
	if (isThere && readdirSync(target).some((name) => name !== ".restoring" && name !== "lost+found"))
		throw new UsageError(`${target} is not empty. A backup is restored into an empty folder: name another one with --data.`);
	// An empty folder may be a disk of its own: then it stays, and gets what was checked.
	const scratch = isThere ? path.join(target, ".restoring") : `${target}.restoring`;
	await rm(scratch, { recursive: true, force: true });
	await mkdir(scratch, { recursive: true, mode: 0o700 });
	try {
		const { found, small } = await unpack(file, scratch);
		const made = checked(found, small.get(MANIFEST), file);
		checkDatabases(scratch, made);
		const sealed = small.get(KEYS);
		if (made.has_keys && passphrase === null && masterKey === null)
			throw new UsageError("The backup has its keys, sealed with a passphrase. Name the file that has it: --passphrase-file FILE");
		const opened = sealed && passphrase !== null && masterKey === null ? openKeys(sealed, passphrase) : null;
		const keys = masterKey === null ? opened : { master_key: masterKey, master_key_before: null };
		if (keys !== null) checkKeys(scratch, made, keys);
		const key = keys?.master_key ?? null;
		for (const [name, value] of [
			[MASTER_KEY_FILE, key],
			[FORMER_MASTER_KEY_FILE, keys?.master_key_before ?? null],
		] as const)
			if (value !== null) await writeFile(path.join(scratch, name), `${value}\n`, { mode: 0o600, flush: true });
		// Leases of before were signed with another key: none of them can write any more.
		writeNewKeys(scratch);
		markRestored(scratch, made.made_at);
		if (isThere) await moveInto(target, scratch);
		else await rename(scratch, target);
		return { manifest: made, hasMasterKey: key !== null };
	} catch (error) {
		await rm(scratch, { recursive: true, force: true });
		throw error;
	}
}

/** Moves what was restored to its place. A folder without its keys is no data folder: they come last. */
async function moveInto(target: string, scratch: string): Promise<void> {
	const names = readdirSync(scratch).sort((one, other) => Number(one === KEY_FILE) - Number(other === KEY_FILE));
	for (const name of names) await rename(path.join(scratch, name), path.join(target, name));
	await rmdir(scratch);
}

/** @throws UsageError for keys that do not open the secrets of the backup */
function checkKeys(folder: string, { files }: Manifest, keys: Keys): void {
	for (const { path: name } of files) {
		if (!name.includes("/d1/") || !name.endsWith(".sqlite")) continue;
		const database = new DatabaseSync(path.join(folder, name), { readOnly: true });
		try {
			assertOpens(database, keys);
		} finally {
			database.close();
		}
	}
}

interface Found {
	size: number;
	sha256: string;
}

/** Writes the files of a backup, and reads its small entries. @throws UsageError */
async function unpack(file: string, folder: string): Promise<{ found: Map<string, Found>; small: Map<string, Buffer> }> {
	const found = new Map<string, Found>();
	const small = new Map<string, Buffer>();
	const source = createReadStream(file);
	const decompressed = source.pipe(createZstdDecompress());
	source.on("error", (error) => decompressed.destroy(error));
	try {
		const entries = (Readable.toWeb(decompressed) as ReadableStream<Uint8Array>).pipeThrough(createTarDecoder({ strict: true }));
		for await (const { header, body } of chunksOf(entries)) {
			const { name, type = "file" } = header;
			const isSmall = name === MANIFEST || name === KEYS;
			if (type !== "file" || found.has(name) || (!isSmall && (!PLACE.test(name) || name.split("/").includes(".."))))
				throw new UsageError(`${file} is no backup of windlass: it has the entry ${name.slice(0, 200)}.`);
			if (isSmall) small.set(name, await readSmall(body, name));
			else found.set(name, await writeEntry(path.join(folder, name), body));
			const bytes = small.get(name);
			if (name === KEYS && bytes) found.set(name, { size: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") });
		}
	} catch (error) {
		if (error instanceof UsageError) throw error;
		const { code, message } = error as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "EACCES" || code === "EISDIR") throw new UsageError(`${file} cannot be read: ${message}`);
		if (code === "ENOSPC") throw new UsageError(`There is no room left on the disk of ${folder}.`);
		throw new UsageError(`${file} is damaged, or no backup of windlass: ${message}`);
	}
	return { found, small };
}

/** The chunks of a stream, which is canceled if they are not read to the end. */
async function* chunksOf<Chunk>(stream: ReadableStream<Chunk>): AsyncGenerator<Chunk> {
	const reader = stream.getReader();
	try {
		for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
	} finally {
		await reader.cancel();
	}
}

async function readSmall(body: ReadableStream<Uint8Array>, name: string): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	let size = 0;
	for await (const chunk of chunksOf(body)) {
		size += chunk.byteLength;
		if (size > MAX_MANIFEST_BYTES) throw new UsageError(`The entry ${name} of the backup is too large.`);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

async function writeEntry(file: string, body: ReadableStream<Uint8Array>): Promise<Found> {
	await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
	const hash = createHash("sha256");
	let size = 0;
	await pipeline(
		Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
		async function* (chunks: AsyncIterable<Uint8Array>) {
			for await (const chunk of chunks) {
				hash.update(chunk);
				size += chunk.byteLength;
				yield chunk;
			}
		},
		createWriteStream(file, { mode: 0o600, flush: true }),
	);
	return { size, sha256: hash.digest("hex") };
}

/** The manifest, after all files were compared with it. @throws UsageError */
function checked(found: ReadonlyMap<string, Found>, text: Buffer | undefined, file: string): Manifest {
	if (!text) throw new UsageError(`${file} is not whole: its end is missing. Use another backup.`);
	const parsed = manifest.safeParse(JSON.parse(text.toString("utf8")));
	if (!parsed.success) throw new UsageError(`${file} was made by another version of windlass, which this one does not read.`);
	const { files } = parsed.data;
	const wrong = files.find(({ path: name, size, sha256 }) => found.get(name)?.sha256 !== sha256 || found.get(name)?.size !== size);
	if (wrong) throw new UsageError(`${file} is damaged: ${wrong.path} is not what was backed up.`);
	if (files.length !== found.size) throw new UsageError(`${file} is damaged: it has files that were not backed up.`);
	return parsed.data;
}

/** @throws UsageError for a database that SQLite finds damaged */
function checkDatabases(folder: string, { files }: Manifest): void {
	for (const { path: name } of files) {
		if (!name.endsWith(".sqlite")) continue;
		const database = new DatabaseSync(path.join(folder, name));
		try {
			const { integrity_check: result } = database.prepare("PRAGMA integrity_check").get() as { integrity_check: string };
			if (result !== "ok") throw new UsageError(`The database ${name} of the backup is damaged: ${result.slice(0, 200)}`);
		} finally {
			database.close();
		}
	}
}

/** The text of a file that an option names. @throws UsageError */
export async function readSecretFile(option: string, file: string): Promise<string> {
	try {
		return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
	} catch (error) {
		throw new UsageError(`${option} ${file} cannot be read: ${(error as Error).message}`);
	}
}
