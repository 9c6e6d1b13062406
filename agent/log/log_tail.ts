import { NEWLINE, newlinesIn } from "../../schema/text/lines.ts";
import type { Position } from "./log_parts.ts";
import type { LogSegments } from "./log_segments.ts";

/** The agent looks for the beginning of a line in so many bytes of the kept end. */
const MAX_LOOK_BYTES = 1024 * 1024;

/**
 * The end of a log that has a maximum size. While the job writes, the oldest bytes of the tail are
 * removed.
 */
export class LogTail {
	readonly segments: LogSegments;
	readonly #maxBytes: number;
	/** Where the tail begins in the output; null while the head has room. */
	from: Position | null = null;

	constructor(segments: LogSegments, maxBytes: number) {
		this.segments = segments;
		this.#maxBytes = maxBytes;
	}

	/**
	 * Adds output. The tail has no gaps: after an error of the disk it begins anew, with a whole line.
	 * @param position where the bytes begin in the output
	 * @returns the error of the disk; null if there was none
	 */
	async append(bytes: Uint8Array, position: Position, startsLine: boolean): Promise<unknown> {
		this.from ??= position;
		const isBroken = this.segments.start === null && position.at > this.from.at;
		const skipped = isBroken && !startsLine ? bytes.indexOf(NEWLINE) + 1 || bytes.byteLength : 0;
		const kept = bytes.subarray(skipped);
		let diskError: unknown = null;
		try {
			if (kept.byteLength > 0) await this.segments.append(position.at + skipped, kept);
		} catch (error) {
			diskError = error;
			await this.segments.removeAll();
		}
		await this.segments.removeBefore(position.at + bytes.byteLength - this.#maxBytes);
		return diskError;
	}

	/**
	 * Where the part of the tail begins that is sent: at a whole line if there is one near.
	 * @param end the end of the output
	 * @returns null if nothing of the tail is on the disk
	 */
	async keptFrom(from: Position, end: Position): Promise<{ position: Position; isLineStart: boolean } | null> {
		const { start } = this.segments;
		if (start === null) return null;
		if (start === from.at && end.at - from.at <= this.#maxBytes) return { position: from, isLineStart: true };
		// The disk holds whole segments, so a little more than the maximum.
		const most = Math.max(start, end.at - this.#maxBytes);
		const linesBefore = newlinesIn(await this.segments.read(start, most - start));
		const looked = await this.segments.read(most, Math.min(MAX_LOOK_BYTES, Math.floor(this.#maxBytes / 4)));
		const newline = looked.indexOf(NEWLINE);
		const line = end.line - this.segments.lines + linesBefore;
		// Without a newline the rest of the long line is kept, and gets a time stamp of its own.
		if (newline === -1) return { position: { at: most, line }, isLineStart: false };
		return { position: { at: most + newline + 1, line: line + 1 }, isLineStart: true };
	}
}
