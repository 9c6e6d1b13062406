import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import path from "node:path";
import { newlinesIn } from "../../schema/text/lines.ts";
import { joined } from "../../schema/wire/bytes.ts";

/** Small, so that acknowledged bytes free their space soon. */
const SEGMENT_BYTES = 128 * 1024;

/** A file with a range of the output. `start` is the position of its first byte in the output. */
interface Segment {
	start: number;
	size: number;
	lines: number;
	file: string;
}

/**
 * Output on the disk in small files without gaps. It grows at its end, and is removed file by file
 * from its beginning.
 */
export class LogSegments {
	readonly #folder: string;
	readonly #onSize: (change: number) => void;
	readonly #all: Segment[] = [];
	#open: FileHandle | null = null;
	#count = 0;

	private constructor(folder: string, onSize: (change: number) => void) {
		this.#folder = folder;
		this.#onSize = onSize;
	}

	/** @param onSize called with every change of the used space */
	static async create(folder: string, onSize: (change: number) => void): Promise<LogSegments> {
		await mkdir(folder, { recursive: true, mode: 0o700 });
		return new LogSegments(folder, onSize);
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
			for (let done = 0; done < part.byteLength; ) {
				const { bytesWritten } = await (this.#open as FileHandle).write(part, done, part.byteLength - done, segment.size + done);
				done += bytesWritten;
			}
			segment.size += part.byteLength;
			segment.lines += newlinesIn(part);
			this.#onSize(part.byteLength);
			at += part.byteLength;
		}
	}

	async #last(start: number): Promise<Segment> {
		const last = this.#all.at(-1);
		if (last && this.#open && last.size < SEGMENT_BYTES && last.start + last.size === start) return last;
		await this.#close();
		this.#count += 1;
		const segment = { start, size: 0, lines: 0, file: path.join(this.#folder, String(this.#count)) };
		this.#open = await open(segment.file, "wx", 0o600);
		this.#all.push(segment);
		return segment;
	}

	/** At most `limit` bytes from `start` on. */
	async read(start: number, limit: number): Promise<Uint8Array> {
		const parts: Buffer[] = [];
		for (const segment of this.#all) {
			const from = Math.max(0, start - segment.start);
			const end = Math.min(segment.size, start + limit - segment.start);
			if (from >= end) continue;
			for await (const chunk of createReadStream(segment.file, { start: from, end: end - 1 })) parts.push(chunk as Buffer);
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

	async #remove({ size, file }: Segment): Promise<void> {
		this.#onSize(-size);
		await rm(file, { force: true });
	}

	async #close(): Promise<void> {
		const handle = this.#open;
		this.#open = null;
		await handle?.close();
	}
}
