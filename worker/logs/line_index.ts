import type { Environment } from "../bindings.ts";
import { indexKeyOf, LINES_PER_MARK, LineCounter, type LineIndex } from "./line_counter.ts";
import { type LineBatch, ShownLineSplitter } from "./lines.ts";
import { type LogPlace, logSize, readLog, shardOf } from "./reader.ts";

/** From a line's number to its place, in a log that is live or finished. */

/** The index of a log as it is now. */
export async function readLineIndex(environment: Environment, attempt: LogPlace): Promise<LineIndex> {
	if (attempt.log_archived === 0) {
		const live = await shardOf(environment, attempt).lineIndex(attempt.id);
		if (live) return live;
	}
	const stored = attempt.log_key === null ? null : await environment.BUCKET.get(indexKeyOf(attempt.log_key));
	return stored ? ((await stored.json()) as LineIndex) : countLines(environment, attempt);
}

/** For a log whose index is not stored: a small one, or one of which only the log itself was written. */
async function countLines(environment: Environment, attempt: LogPlace): Promise<LineIndex> {
	const counter = new LineCounter(0, 0);
	const offsets = [0];
	for await (const bytes of readLog(environment, attempt, { offset: 0, until: await logSize(environment, attempt), isFollowing: false })) {
		if (bytes) for (const { offset } of counter.push(bytes)) offsets.push(offset);
	}
	return { lines: counter.lines, offsets };
}

/** Some lines of a log, each at most so long that a page can show it. */
export interface LineBlock {
	/** The number of the first line, counted from 0. */
	first: number;
	lines: string[];
	/** Where the line after these begins. */
	nextOffset: number;
	/** How many whole lines the log has now. */
	total: number;
}

/**
 * Lines of a log by their numbers.
 * @param first counted from 0; a negative number counts from the end
 */
export async function readLineBlock(environment: Environment, attempt: LogPlace, first: number, count: number): Promise<LineBlock> {
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
		// Line by line towards the end of the block, so that its end is known to the byte.
		for (const piece of bytes ? linesOf(bytes) : []) {
			if (number >= from + count) return block;
			const batch = splitter.push(piece);
			add(batch);
			if (batch) block.nextOffset = batch.nextOffset;
		}
	}
	if (number < from + count) {
		const rest = attempt.log_archived === 1 ? splitter.flush() : null;
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
