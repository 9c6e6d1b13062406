import { MIB } from "../../schema/wire/limits.ts";
import type { Environment } from "../environment.ts";
import { STAMP_BYTES } from "./format.ts";
import { LINES_PER_MARK } from "./line_counter.ts";
import { readLineIndex } from "./line_index.ts";
import { ShownLineSplitter } from "./lines.ts";
import { type LogPlace, logSize, readLog } from "./reader.ts";

/** One search reads at most this much; the answer says where to go on. */
const SEARCHED_BYTES = 64 * MIB;
const SHOWN_CHARACTERS = 300;
/** What colours a text (ECMA-48: CSI and OSC sequences). */
const ESCAPE = String.fromCharCode(0x1b);
const BELL = String.fromCharCode(7);
const ESCAPES = new RegExp(`${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BELL}${ESCAPE}]*(?:${BELL}|${ESCAPE}\\\\)?)`, "g");

export interface SearchResult {
	matches: { line: number; text: string }[];
	/** Where to go on; null when the log was searched to its end. */
	nextLine: number | null;
}

/**
 * The lines that hold this text, whatever its case; colours do not count.
 * @param first the line to begin with, counted from 0
 */
export async function searchLog(
	environment: Environment,
	attempt: LogPlace,
	{ text, first, limit }: { text: string; first: number; limit: number },
): Promise<SearchResult> {
	const { offsets } = await readLineIndex(environment, attempt);
	const size = await logSize(environment, attempt);
	const mark = Math.min(Math.floor(first / LINES_PER_MARK), offsets.length - 1);
	const start = offsets[mark] ?? 0;
	const until = Math.min(size, start + SEARCHED_BYTES);
	const wanted = text.toLowerCase();
	const splitter = new ShownLineSplitter(start);
	const matches: SearchResult["matches"] = [];
	let number = mark * LINES_PER_MARK;
	const look = (lines: readonly string[]): boolean => {
		for (const line of lines) {
			const current = number;
			number += 1;
			if (current < first) continue;
			const plain = line.slice(STAMP_BYTES).replace(ESCAPES, "");
			if (!plain.toLowerCase().includes(wanted)) continue;
			matches.push({ line: current, text: plain.slice(0, SHOWN_CHARACTERS) });
			if (matches.length >= limit) return true;
		}
		return false;
	};
	for await (const bytes of readLog(environment, attempt, { offset: start, until, isFollowing: false })) {
		const batch = bytes && splitter.push(bytes);
		if (batch && look(batch.lines)) return { matches, nextLine: number };
	}
	if (until < size) return { matches, nextLine: Math.max(number, first + 1) };
	const rest = splitter.flush();
	if (rest) look(rest.lines);
	return { matches, nextLine: null };
}
