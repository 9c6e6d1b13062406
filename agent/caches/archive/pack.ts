import {
	chmodSync,
	closeSync,
	constants,
	fstatSync,
	futimesSync,
	lstatSync,
	lutimesSync,
	openSync,
	readdirSync,
	readlinkSync,
	readSync,
	type Stats,
	utimesSync,
} from "node:fs";
import { Header, Pax } from "tar";
import { formatBytes } from "../../../schema/wire/bytes.ts";
import { MAX_CACHE_BYTES } from "../../../schema/wire/limits.ts";

/**
 * Packs folders as a tar archive whose bytes depend on nothing but their content: the names are
 * sorted, and owners and times are left out. It reads with calls that block, so it runs in a thread of
 * its own (archive_thread.ts).
 */

/** The time of every file in a cache: 2000-01-01. Some tools reject the year 1970. */
export const FILE_TIME = new Date(946_684_800_000);
const BLOCK = 512;
const CHUNK = 1024 * 1024;

export interface Packed {
	files: number;
	bytes: number;
	/** Sockets, devices, and names that are not UTF-8 or have a line break, which are left out. */
	leftOut: number;
}

/**
 * @param root the folder that the names are relative to
 * @param roots files and folders in it
 * @param write takes the next bytes of the archive
 * @throws the system's error for a file that cannot be read, or that changes meanwhile
 */
export async function pack(root: string, roots: readonly string[], write: (bytes: Buffer) => Promise<void>): Promise<Packed> {
	const packer = new Packer(root, write);
	for (const path of [...roots].sort()) await packer.add(path);
	return packer.end();
}

/**
 * Whether an archive can hold a name. A replaced character is no character of the name: then the name
 * is not UTF-8. A line break ends a record of a pax header.
 */
function isPortable(name: string): boolean {
	return !name.includes("\uFFFD") && !name.includes("\n");
}

class Packer {
	readonly #root: string;
	readonly #write: (bytes: Buffer) => Promise<void>;
	readonly #packed: Packed = { files: 0, bytes: 0, leftOut: 0 };
	#chunk = Buffer.allocUnsafe(CHUNK);
	#length = 0;

	constructor(root: string, write: (bytes: Buffer) => Promise<void>) {
		this.#root = root;
		this.#write = write;
	}

	async add(path: string): Promise<void> {
		const place = `${this.#root}/${path}`;
		const info = isPortable(path) ? lstatSync(place, { throwIfNoEntry: false }) : undefined;
		if (info?.isFile()) await this.#addFile(path, place);
		else if (info?.isDirectory()) await this.#addFolder(path, place, info);
		else if (info?.isSymbolicLink()) await this.#addLink(path, place);
		else this.#packed.leftOut += 1;
	}

	async end(): Promise<Packed> {
		await this.#put(Buffer.alloc(2 * BLOCK));
		await this.#flush();
		return this.#packed;
	}

	async #addFolder(path: string, place: string, { mode }: Stats): Promise<void> {
		// A folder without these permissions could not be moved or removed.
		if ((mode & 0o700) !== 0o700) chmodSync(place, 0o755);
		await this.#header({ path: `${path}/`, type: "Directory", mode: 0o755, size: 0 });
		for (const name of readdirSync(place).sort()) await this.add(`${path}/${name}`);
		utimesSync(place, FILE_TIME, FILE_TIME);
	}

	async #addLink(path: string, place: string): Promise<void> {
		const linkpath = readlinkSync(place);
		if (!isPortable(linkpath)) {
			this.#packed.leftOut += 1;
			return;
		}
		await this.#header({ path, type: "SymbolicLink", mode: 0o777, size: 0, linkpath });
		lutimesSync(place, FILE_TIME, FILE_TIME);
		this.#packed.files += 1;
	}

	async #addFile(path: string, place: string): Promise<void> {
		const file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
		try {
			const { size, mode } = fstatSync(file);
			if (this.#packed.bytes + size > MAX_CACHE_BYTES) throw new Error(`it is larger than ${formatBytes(MAX_CACHE_BYTES)}`);
			await this.#header({ path, type: "File", mode: (mode & 0o100) === 0 ? 0o644 : 0o755, size });
			for (let left = size; left > 0; ) {
				if (this.#length === CHUNK) await this.#flush();
				const read = readSync(file, this.#chunk, this.#length, Math.min(left, CHUNK - this.#length), null);
				if (read === 0) throw new Error(`${path} became shorter while it was read`);
				this.#length += read;
				left -= read;
			}
			await this.#put(Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
			futimesSync(file, FILE_TIME, FILE_TIME);
			this.#packed.files += 1;
			this.#packed.bytes += size;
		} finally {
			closeSync(file);
		}
	}

	async #header(fields: { path: string; type: "File" | "Directory" | "SymbolicLink"; mode: number; size: number; linkpath?: string }) {
		const header = new Header({ ...fields, mtime: FILE_TIME });
		const block = Buffer.alloc(BLOCK);
		// What does not fit into the fields of a plain header precedes it.
		if (header.encode(block)) {
			const { path, linkpath, size } = fields;
			await this.#put(new Pax({ path, size, ...(linkpath === undefined ? {} : { linkpath }) }).encode());
		}
		await this.#put(block);
	}

	async #put(bytes: Buffer): Promise<void> {
		for (let at = 0; at < bytes.length; ) {
			if (this.#length === CHUNK) await this.#flush();
			const taken = bytes.copy(this.#chunk, this.#length, at);
			this.#length += taken;
			at += taken;
		}
	}

	async #flush(): Promise<void> {
		if (this.#length === 0) return;
		const full = this.#chunk.subarray(0, this.#length);
		this.#chunk = Buffer.allocUnsafe(CHUNK);
		this.#length = 0;
		await this.#write(full);
	}
}
