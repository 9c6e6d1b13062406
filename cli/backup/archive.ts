import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, constants as zlib } from "node:zlib";
import { createTarPacker } from "modern-tar";
import type { Manifest } from "./manifest.ts";

/** Fast, and a third of the size of most logs and databases. */
const LEVEL = 3;
/** After so many bytes they are put on the disk: all at once at the end, they would hold up the syncs of the coordinator. */
const SYNC_BYTES = 16 * 1024 ** 2;

/** A backup that is written: entry after entry, with a checksum of each. The file has its name once it is whole. */
export class ArchiveWriter {
	readonly files: Manifest["files"] = [];
	readonly #file: string;
	readonly #written: Promise<void>;
	readonly #packer = createTarPacker();

	constructor(file: string) {
		this.#file = file;
		const compress = createZstdCompress({ params: { [zlib.ZSTD_c_compressionLevel]: LEVEL } });
		const source = Readable.fromWeb(this.#packer.readable as Parameters<typeof Readable.fromWeb>[0]);
		this.#written = pipeline(source, compress, (chunks) => writeSynced(this.#partial, chunks as AsyncIterable<Uint8Array>));
		// Then nobody reads any more: what waits to be written must fail, too.
		this.#written.catch((error) => this.#packer.controller.error(error));
	}

	get #partial(): string {
		return `${this.#file}.part`;
	}

	/** @throws Error with the code ENOENT for a file that is gone */
	async addFile(name: string, source: string): Promise<void> {
		const { size } = await stat(source);
		await this.#add(name, size, createReadStream(source, { end: Math.max(0, size - 1), ...(size === 0 && { start: 0, end: 0 }) }));
	}

	async addBytes(name: string, bytes: Uint8Array): Promise<void> {
		await this.#add(name, bytes.byteLength, Readable.from([bytes]));
	}

	async #add(name: string, size: number, source: Readable): Promise<void> {
		const hash = createHash("sha256");
		const writer = this.#packer.controller.add({ name, size, mode: 0o600, mtime: new Date(0) }).getWriter();
		let seen = 0;
		for await (const chunk of source as AsyncIterable<Uint8Array>) {
			const bytes = chunk.subarray(0, size - seen);
			seen += bytes.byteLength;
			hash.update(bytes);
			await writer.write(bytes);
		}
		if (seen !== size) throw new Error(`${name} has ${seen} bytes, not ${size}`);
		await writer.close();
		this.files.push({ path: name, size, sha256: hash.digest("hex") });
	}

	/** Ends the archive, and gives it its name. */
	async finish(): Promise<void> {
		this.#packer.controller.finalize();
		await this.#written;
		await rename(this.#partial, this.#file);
	}

	/** Gives it up. */
	async abort(): Promise<void> {
		this.#packer.controller.error(new Error("the backup was given up"));
		await this.#written.catch(() => undefined);
		await rm(this.#partial, { force: true });
	}
}

/** Writes a file that is on the disk in the end. */
async function writeSynced(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
	const handle = await open(file, "w", 0o600);
	try {
		let unsynced = 0;
		for await (const chunk of chunks) {
			await handle.writeFile(chunk);
			unsynced += chunk.byteLength;
			if (unsynced < SYNC_BYTES) continue;
			await handle.datasync();
			unsynced = 0;
		}
		await handle.sync();
	} finally {
		await handle.close();
	}
}
