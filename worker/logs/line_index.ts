import type { Environment } from "../bindings.ts";
import { indexKeyOf, LINES_PER_MARK, LineCounter, type LineIndex } from "./line_counter.ts";
import { type LineBatch, ShownLineSplitter } from "./lines.ts";
import { isLogComplete, type LogLocation, logSize, readLog, shardOf } from "./reader.ts";

/** Finds lines by their numbers, in live and archived logs. */

/** The current index of a log. */
export async function readLineIndex(environment: Environment, attempt: LogLocation): Promise<LineIndex> {
	if (!isLogComplete(attempt)) {
		const live = await shardOf(environment, attempt).lineIndex(attempt.id);
		if (live) return live;
	}
	// The logs of a pack are small.
	const stored = attempt.log_key === null || attempt.log_offset !== null ? null : await environment.BUCKET.get(indexKeyOf(attempt.log_key));
	return stored ? ((await stored.json()) as LineIndex) : countLines(environment, attempt);
}

/** Counts lines of a log without a stored index: a small log, or a log whose index write failed. */
async function countLines(environment: Environment, attempt: LogLocation): Promise<LineIndex> {
	const counter = new LineCounter(0, 0);
	const offsets = [0];
	for await (const bytes of readLog(environment, attempt, { offset: 0, until: await logSize(environment, attempt), isFollowing: false })) {
		if (bytes) for (const { offset } of counter.push(bytes)) offsets.push(offset);
	}
	return { lines: counter.lines, offsets };
}

/** Some lines of a log, each truncated to a length that a page can show. */
export interface LineBlock {
	/** The number of the first line, counted from 0. */
	first: number;
	lines: string[];
	/** The offset of the line after these. */
	nextOffset: number;
	/** The number of complete lines in the log. */
	total: number;
}

/**
 * Lines of a log by their numbers.
 * @param first counted from 0; a negative number counts from the end
 */
export async function readLineBlock(environment: Environment, attempt: LogLocation, first: number, count: number): Promise<LineBlock> {
	const { lines: total, offsets } = await readLineIndex(environment, attempt);
	const from = Math.min(total, Math.max(0, first < 0 ? total + first : first));
	const mark = Math.min(Math.floor(from / LINES_PER_MARK), offsets.length - 1);
	const start = offsets[mark] ?? 0;
	const until = offsets[Math.ceil((from + count) / LINES_PER_MARK)] ?? (await logSize(environment, attempt));
	const block: LineBlock = { first: from, lines: [], nextOffset: start, total };
	const splitter = new ShownLineSplitter(start);
	let number = mark * LINES_PER_MARK;
	const add = (batch: LineBatch | null) => {
		if (!batch) return;
		for (const line of batch.lines) {
			if (number >= from && number < from + count) block.lines.push(line);
			number += 1;
		}
	};
	for await (const bytes of readLog(environment, attempt, { offset: start, until, isFollowing: false })) {
		// One line at a time, so that the end of the block is known to the byte.
		for (const chunk of bytes ? linesOf(bytes) : []) {
			if (number >= from + count) return block;
			const batch = splitter.push(chunk);
			add(batch);
			if (batch) block.nextOffset = batch.nextOffset;
		}
	}
	if (number < from + count) {
		const rest = isLogComplete(attempt) ? splitter.flush() : null;
		add(rest);
		if (rest) block.nextOffset = rest.nextOffset;
	}
	return block;
}

const NEWLINE = 10;

function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
	for (let at = 0; at < bytes.byteLength; ) {
		const newline = bytes.indexOf(NEWLINE, at);
		const end = newline === -1 ? bytes.byteLength : newline + 1;
		yield bytes.subarray(at, end);
		at = end;
	}
}
