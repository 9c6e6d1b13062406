import { hasAnsi, plainText } from "../../schema/text/ansi.ts";
import { STAMP_BYTES } from "../../schema/text/log_formatter.ts";
import { joined } from "../../schema/wire/bytes.ts";
import { MIB } from "../../schema/wire/limits.ts";
import type { Environment } from "../bindings.ts";
import { LINES_PER_MARK, newlinesIn } from "./line_counter.ts";
import { readLineIndex } from "./line_index.ts";
import { type LogLocation, logSize, readLog } from "./reader.ts";

/** One search reads at most this much; its result says where to resume. */
const SEARCHED_BYTES = 64 * MIB;
const SHOWN_CHARACTERS = 300;
/** Longer lines are searched in parts. */
const LONGEST_LINE = MIB;
const NEWLINE = 10;

export interface SearchResult {
	matches: { line: number; text: string }[];
	/** Where to resume; null when the search has reached the end of the log. */
	nextLine: number | null;
}

/**
 * Finds the lines that contain this text, in upper or lower case. Colors and times are ignored.
 * @param first the first line to search, counted from 0
 */
export async function searchLog(
	environment: Environment,
	attempt: LogLocation,
	{ text, first, limit }: { text: string; first: number; limit: number },
): Promise<SearchResult> {
	const { offsets } = await readLineIndex(environment, attempt);
	const size = await logSize(environment, attempt);
	const mark = Math.min(Math.floor(first / LINES_PER_MARK), offsets.length - 1);
	const start = offsets[mark] ?? 0;
	const until = Math.min(size, start + SEARCHED_BYTES);
	const search = new LineSearch(text, first, limit, mark * LINES_PER_MARK);
	let rest: Uint8Array = new Uint8Array();
	for await (const bytes of readLog(environment, attempt, { offset: start, until, isFollowing: false })) {
		if (!bytes) continue;
		const block = joined([rest, bytes]);
		const end = block.lastIndexOf(NEWLINE) + 1 || (block.byteLength > LONGEST_LINE ? block.byteLength : 0);
		rest = block.subarray(end);
		if (search.look(block.subarray(0, end))) return { matches: search.matches, nextLine: search.line };
	}
	if (until < size) return { matches: search.matches, nextLine: Math.max(search.line, first + 1) };
	const isFull = search.look(rest);
	return { matches: search.matches, nextLine: isFull ? search.line : null };
}

/** Searches complete lines, block by block. */
class LineSearch {
	readonly matches: SearchResult["matches"] = [];
	/** The number of the next line. */
	line: number;
	readonly #text: string;
	readonly #first: number;
	readonly #limit: number;
	readonly #decoder = new TextDecoder();

	constructor(text: string, first: number, limit: number, line: number) {
		this.#text = text.toLowerCase();
		this.#first = first;
		this.#limit = limit;
		this.line = line;
	}

	/** @returns whether the limit of matches is reached */
	look(block: Uint8Array): boolean {
		const text = this.#decoder.decode(block);
		// Most blocks contain no match, and need no split into lines.
		if (!hasAnsi(text) && !text.toLowerCase().includes(this.#text)) {
			this.line += newlinesIn(block);
			return false;
		}
		const lines = text.split("\n");
		for (const [index, line] of lines.entries()) {
			// The empty text after the last newline is no line.
			if (index === lines.length - 1 && line === "") break;
			const number = this.line;
			if (index < lines.length - 1) this.line += 1;
			if (number < this.#first) continue;
			const plain = plainText(line.slice(STAMP_BYTES));
			if (!plain.toLowerCase().includes(this.#text)) continue;
			this.matches.push({ line: number, text: plain.slice(0, SHOWN_CHARACTERS) });
			if (this.matches.length >= this.#limit) return true;
		}
		return false;
	}
}
