import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { newlinesIn } from "../../schema/text/lines.ts";
import { joined } from "../../schema/wire/bytes.ts";

/** Small, so that acknowledged bytes free their space soon. */
const SEGMENT_BYTES = 128 * 1024;
/** So many bytes stay in memory: most jobs write less, and need no file for it. */
const MEMORY_BYTES = 64 * 1024;
const FIRST_MEMORY_BYTES = 2 * 1024;

/** A range of the output. `start` is the position of its first byte in the output. */
interface Segment {
	start: number;
	size: number;
	lines: number;
	file: string;
	/** It begins with the bytes of the segment; null once they are in the file. */
	memory: Uint8Array | null;
}

/**
 * Output in small files without gaps. It grows at its end, and is removed file by file from its
 * beginning. The first bytes stay in memory until they are too many.
 */
export class LogSegments {
	readonly #folder: string;
	readonly #onSize: (change: number) => void;
	readonly #all: Segment[] = [];
	#open: FileHandle | null = null;
	#count = 0;

	/**
	 * @param folder it is made with the first file
	 * @param onSize called with every change of the used space
	 */
	constructor(folder: string, onSize: (change: number) => void) {
		this.#folder = folder;
		this.#onSize = onSize;
	}

	/** The position of the oldest stored byte; null if nothing is stored. */
	get start(): number | null {
		return this.#all[0]?.start ?? null;
	}

	get lines(): number {
		return this.#all.reduce((sum, { lines }) => sum + lines, 0);
	}

	/**
	 * Adds bytes that begin at position `start`.
	 * @throws the system's error (ENOSPC …); then none of these bytes counts
	 */
	async append(start: number, bytes: Uint8Array): Promise<void> {
		for (let at = 0; at < bytes.byteLength; ) {
			const segment = await this.#last(start + at);
			const part = bytes.subarray(at, at + SEGMENT_BYTES - segment.size);
			if (!isRemembered(segment, part)) await writeAll(await this.#fileOf(segment), part, segment.size);
			segment.size += part.byteLength;
			segment.lines += newlinesIn(part);
			this.#onSize(part.byteLength);
			at += part.byteLength;
		}
	}

	async #last(start: number): Promise<Segment> {
		const last = this.#all.at(-1);
		const isOpen = last?.memory != null || this.#open !== null;
		if (last && isOpen && last.size < SEGMENT_BYTES && last.start + last.size === start) return last;
		await this.#close();
		const memory = this.#all.length === 0 ? new Uint8Array(FIRST_MEMORY_BYTES) : null;
		this.#count += 1;
		const segment: Segment = { start, size: 0, lines: 0, file: `${this.#folder}/${this.#count}`, memory };
		if (memory === null) this.#open = await this.#create(segment.file);
		this.#all.push(segment);
		return segment;
	}

	/** The file of the last segment. It gets the bytes that are in memory. */
	async #fileOf(segment: Segment): Promise<FileHandle> {
		if (segment.memory === null) return this.#open as FileHandle;
		const handle = await this.#create(segment.file);
		try {
			await writeAll(handle, segment.memory.subarray(0, segment.size), 0);
		} catch (error) {
			await handle.close();
			throw error;
		}
		segment.memory = null;
		this.#open = handle;
		return handle;
	}

	async #create(file: string): Promise<FileHandle> {
		await mkdir(this.#folder, { recursive: true, mode: 0o700 });
		return open(file, "w", 0o600);
	}

	/** At most `limit` bytes from `start` on. */
	async read(start: number, limit: number): Promise<Uint8Array> {
		const parts: Uint8Array[] = [];
		for (const { start: at, size, file, memory } of this.#all) {
			const from = Math.max(0, start - at);
			const end = Math.min(size, start + limit - at);
			if (from < end) parts.push(memory === null ? await readRange(file, from, end) : memory.subarray(from, end));
		}
		return joined(parts);
	}

	/** Removes the segments that end at or before this position, but not the last one. */
	async removeBefore(position: number): Promise<void> {
		while (this.#all.length > 1 && (this.#all[0] as Segment).start + (this.#all[0] as Segment).size <= position)
			await this.#remove(this.#all.shift() as Segment);
	}

	/** Removes the segments that begin at or after this position. */
	async removeFrom(position: number): Promise<void> {
		const isOpenGone = (this.#all.at(-1)?.start ?? -1) >= position;
		if (isOpenGone) await this.#close();
		while (this.#all.length > 0 && (this.#all.at(-1) as Segment).start >= position) await this.#remove(this.#all.pop() as Segment);
	}

	async removeAll(): Promise<void> {
		await this.removeFrom(0);
	}

	async #remove({ size, file, memory }: Segment): Promise<void> {
		this.#onSize(-size);
		if (memory === null) await rm(file, { force: true });
	}

	async #close(): Promise<void> {
		const handle = this.#open;
		this.#open = null;
		await handle?.close();
	}
}

/** Adds bytes to a segment in memory. @returns false if it has to go to its file */
function isRemembered(segment: Segment, bytes: Uint8Array): boolean {
	const { memory, size } = segment;
	const end = size + bytes.byteLength;
	if (memory === null || end > MEMORY_BYTES) return false;
	const room = end > memory.byteLength ? grown(memory, end) : memory;
	room.set(bytes, size);
	segment.memory = room;
	return true;
}

function grown(memory: Uint8Array, size: number): Uint8Array {
	const larger = new Uint8Array(Math.min(MEMORY_BYTES, 2 ** Math.ceil(Math.log2(size))));
	larger.set(memory);
	return larger;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
	for (let done = 0; done < bytes.byteLength; ) {
		const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done);
		done += bytesWritten;
	}
}

/** The bytes of a file between two positions, fewer if the file is shorter. */
async function readRange(file: string, from: number, end: number): Promise<Uint8Array> {
	const bytes = Buffer.allocUnsafe(end - from);
	const handle = await open(file);
	try {
		let done = 0;
		while (done < bytes.byteLength) {
			const { bytesRead } = await handle.read(bytes, done, bytes.byteLength - done, from + done);
			if (bytesRead === 0) break;
			done += bytesRead;
		}
		return bytes.subarray(0, done);
	} finally {
		await handle.close();
	}
}
