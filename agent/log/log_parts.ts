import { NEWLINE, newlinesIn } from "../../schema/text/lines.ts";
import { joined } from "../../schema/wire/bytes.ts";
import type { LogSegments } from "./log_segments.ts";

/**
 * The log that is sent differs from the output of the job: where output is missing, a notice stands
 * in its place. So the log is a list of parts: ranges of the output that are on the disk, and
 * notices.
 */

/** A position in the output: the number of bytes and of lines before it. */
export interface Position {
	at: number;
	line: number;
}

interface Range {
	from: Position;
	to: Position;
	segments: LogSegments;
}

/** It stands for the output between two positions. */
export interface Notice {
	from: Position;
	to: Position;
	text: Uint8Array;
}

export type LogPart = Range | Notice;

/** How far the coordinator has the log that is sent. */
export interface SentLog {
	offset: number;
	lines: number;
	/** Whether it ends with a whole line. */
	isWhole: boolean;
}

export const NOTHING_SENT: SentLog = { offset: 0, lines: 0, isWhole: true };

export function sizeOf(part: LogPart): number {
	return "text" in part ? part.text.byteLength : part.to.at - part.from.at;
}

/**
 * The place of a position in the log that is sent. A position in missing output has the place of
 * its notice.
 */
export function placeIn(parts: readonly LogPart[], { at, line }: Position): { offset: number; line: number } {
	let offset = 0;
	let lines = 0;
	for (const part of parts) {
		if (at < part.from.at) break;
		// A notice may have to end an open line first.
		const ended = "text" in part && part.text[0] === NEWLINE ? 1 : 0;
		if ("text" in part && at < part.to.at) return { offset: offset + ended, line: lines + ended };
		if ("segments" in part && at <= part.to.at) return { offset: offset + at - part.from.at, line: lines + line - part.from.line };
		offset += sizeOf(part);
		lines += linesOf(part);
	}
	return { offset, line: lines };
}

/** At most `limit` bytes of the log that is sent, from `offset` on. */
export async function readParts(parts: readonly LogPart[], offset: number, limit: number): Promise<Uint8Array> {
	const found: Uint8Array[] = [];
	let partAt = 0;
	for (const part of parts) {
		const from = Math.max(0, offset - partAt);
		const end = Math.min(sizeOf(part), offset + limit - partAt);
		partAt += sizeOf(part);
		if (from >= end) continue;
		found.push("text" in part ? part.text.subarray(from, end) : await part.segments.read(part.from.at + from, end - from));
	}
	return joined(found);
}

/**
 * The parts that were sent, the last of them possibly shortened, and the position in the output at
 * which they end.
 */
export function partsSent(parts: readonly LogPart[], { offset, lines }: SentLog): { parts: LogPart[]; to: Position } {
	const found: LogPart[] = [];
	let [left, leftLines] = [offset, lines];
	let to: Position = { at: 0, line: 0 };
	for (const part of parts) {
		if (left <= 0) break;
		// A notice of which only a part was sent stays whole.
		const isAll = "text" in part || left >= sizeOf(part);
		to = isAll ? part.to : { at: part.from.at + left, line: part.from.line + leftLines };
		found.push({ ...part, to });
		leftLines -= "text" in part ? linesOf(part) : to.line - part.from.line;
		left -= sizeOf(part);
	}
	return { parts: found, to };
}

/** @param bytes the next bytes after those that were sent */
export function sentWith(sent: SentLog, bytes: Uint8Array): SentLog {
	return {
		offset: sent.offset + bytes.byteLength,
		lines: sent.lines + newlinesIn(bytes),
		isWhole: bytes.byteLength === 0 || bytes.at(-1) === NEWLINE,
	};
}

function linesOf(part: LogPart): number {
	return "text" in part ? newlinesIn(part.text) : part.to.line - part.from.line;
}
