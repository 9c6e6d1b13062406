import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LogFormatter } from "../../../schema/text/log_formatter.ts";
import { STAMP_BYTES } from "../../../schema/text/time_stamp.ts";
import { LINES_PER_MARK, LineCounter } from "../../../worker/logs/line_counter.ts";
import { type LineBatch, LineSplitter, ShownLineSplitter } from "../../../worker/logs/lines.ts";
import { parseAnsi } from "../../../worker/ui/ansi.ts";
import { type FuzzProperty, fuzzProperty } from "../fuzz_property.ts";
import { bytesOf, joined, pieceSizes, piecesOf } from "../values/bytes.ts";
import { linesIn, output, storedLog } from "../values/logs.ts";
import { inTime } from "./fast_enough.ts";

interface Splitter {
	push(bytes: Uint8Array): LineBatch | null;
	flush(): LineBatch | null;
}

/** The lines that a splitter gives, and where each batch of them ends. */
function split(splitter: Splitter, pieces: readonly Uint8Array[]): { lines: string[]; end: number | null } {
	const batches = [...pieces.map((piece) => splitter.push(piece)), splitter.flush()].filter((batch) => batch !== null);
	for (const { lines } of batches) assert.ok(lines.length > 0, "a batch without lines");
	return { lines: batches.flatMap(({ lines }) => lines), end: batches.at(-1)?.nextOffset ?? null };
}

/** What a line says: its bytes as text, without the newline. */
function textOf(line: Uint8Array): string {
	return new TextDecoder("utf-8", { ignoreBOM: true }).decode(line.at(-1) === 10 ? line.subarray(0, -1) : line);
}

const SHOWN_BYTES = 16 * 1024;

function shownTextOf(line: Uint8Array): string {
	const bytes = line.at(-1) === 10 ? line.subarray(0, -1) : line;
	if (bytes.byteLength <= SHOWN_BYTES) return textOf(bytes);
	let end = bytes.byteLength;
	while (bytes[end - 1] === 13) end -= 1;
	const text = bytes.subarray(0, end);
	const latest = text.lastIndexOf(13) + 1;
	const stamp = latest === 0 ? bytes.subarray(0, 0) : bytes.subarray(0, STAMP_BYTES);
	const shown = (latest === 0 ? bytes : text.subarray(latest)).subarray(0, SHOWN_BYTES - stamp.byteLength);
	const dropped = (latest === 0 ? bytes : text.subarray(latest)).byteLength - shown.byteLength;
	return textOf(joined([stamp, shown])) + (dropped > 0 ? ` … (${dropped} more bytes in this line)` : "");
}

/** A long log comes in pieces that are not quite as small. */
const cutLog = fc
	.tuple(fc.oneof(storedLog, output), pieceSizes, fc.nat(1_000_000))
	.map(([bytes, sizes, offset]) => [bytes, bytes.byteLength > 20_000 ? sizes.map((size) => size * 50) : sizes, offset] as const);
/** Lines as short as the splitter promises to keep whole. */
const shortLines = cutLog.filter(([bytes]) => linesIn(bytes).every((line) => line.byteLength < 200_000));

function formatted(format: "raw" | "clean", pieces: readonly Uint8Array[]): Uint8Array {
	const formatter = new LogFormatter(format);
	return joined([...pieces.map((piece) => formatter.push(piece).slice()), formatter.flush()]);
}

const ESCAPE = 0x1b;

/** As long as the longest line that is given out whole. */
const LONG_LINE_BYTES = 256 * 1024;
const longLine = fc
	.record({
		opening: fc.constantFrom("", "\u001b[", "\u001b]"),
		unit: fc.constantFrom("38;", "5;", "\u001b[31m", "\u001b[", "\u001b", "x\r", "\0", "0", " "),
		bytes: fc.nat(LONG_LINE_BYTES),
	})
	.map(({ opening, unit, bytes }) => ({ opening, unit, times: Math.floor(bytes / unit.length) }));

const manyLines = fc.tuple(fc.array(fc.nat(12), { maxLength: 2500 }), pieceSizes, fc.nat(3000), fc.nat(1_000_000));

export const logReadingProperties: FuzzProperty[] = [
	fuzzProperty("lines are the same however a log is cut", { weight: 4 }, shortLines, ([bytes, sizes, offset]) => {
		const { lines, end } = split(new LineSplitter(offset), piecesOf(bytes, sizes));
		assert.deepEqual(lines, linesIn(bytes).map(textOf));
		assert.equal(end, bytes.byteLength === 0 ? null : offset + bytes.byteLength);
	}),
	fuzzProperty("shown lines are the same however a log is cut", { weight: 4 }, cutLog, ([bytes, sizes, offset]) => {
		const { lines, end } = split(new ShownLineSplitter(offset), piecesOf(bytes, sizes));
		assert.deepEqual(lines, linesIn(bytes).map(shownTextOf));
		assert.equal(end, bytes.byteLength === 0 ? null : offset + bytes.byteLength);
	}),
	fuzzProperty("a log without its times is the same however it is cut", { weight: 4 }, cutLog, ([bytes, sizes]) => {
		assert.deepEqual(formatted("raw", [bytes]), rawOf(bytes));
		assert.deepEqual(formatted("raw", piecesOf(bytes, sizes)), rawOf(bytes));
	}),
	fuzzProperty("a log without its colours is the same however it is cut, and has none", { weight: 4 }, cutLog, ([bytes, sizes]) => {
		const clean = formatted("clean", [bytes]);
		assert.deepEqual(formatted("clean", piecesOf(bytes, sizes)), clean);
		assert.ok(!clean.includes(ESCAPE), "an escape is left");
		assert.ok(isSubsequence(clean, rawOf(bytes)), "something was added or moved");
		assert.equal(newlines(clean), newlines(rawOf(bytes)));
	}),
	fuzzProperty("every five hundredth line is marked where it begins", { weight: 1 }, manyLines, ([widths, sizes, before, offset]) => {
		const bytes = joined(widths.map((width) => bytesOf(`${"x".repeat(width)}\n`)));
		const counter = new LineCounter(before, offset);
		const marks = piecesOf(bytes, sizes).flatMap((piece) => counter.push(piece));
		const wanted: typeof marks = [];
		let at = offset;
		for (const [index, width] of widths.entries()) {
			at += width + 1;
			const line = before + index + 1;
			if (line % LINES_PER_MARK === 0) wanted.push({ mark: line / LINES_PER_MARK, offset: at });
		}
		assert.deepEqual(marks, wanted);
		assert.equal(counter.lines, before + widths.length);
	}),
	fuzzProperty(
		"a long coloured line is read in a time that grows with it",
		{ weight: 1, most: 300 },
		longLine,
		({ opening, unit, times }) => {
			const line = `${opening}${unit.repeat(times)}m`;
			inTime(line.length, () => parseAnsi(line));
		},
	),
	fuzzProperty("a coloured line shows nothing that cannot be seen", { weight: 2 }, output, (bytes) => {
		for (const line of linesIn(bytes).map(textOf)) {
			const shown = inTime(line.length, () => parseAnsi(line));
			for (const { text, classes } of shown) {
				const hidden = [...text].find((char) => char !== "\t" && /\p{Cc}/u.test(char));
				assert.equal(hidden, undefined, `a control character is left: ${JSON.stringify(hidden)}`);
				assert.ok(classes.every((name) => /^[a-z0-9]+$/.test(name)));
			}
		}
	}),
];

/** Line by line without the first twenty-five bytes; where a line is shorter its newline is among what goes. */
function rawOf(bytes: Uint8Array): Uint8Array {
	const kept: Uint8Array[] = [];
	for (let at = 0; at < bytes.byteLength; ) {
		const newline = bytes.indexOf(10, at + STAMP_BYTES);
		const end = newline === -1 ? bytes.byteLength : newline + 1;
		kept.push(bytes.subarray(Math.min(end, at + STAMP_BYTES), end));
		at = end;
	}
	return joined(kept);
}

function newlines(bytes: Uint8Array): number {
	return bytes.reduce((count, byte) => count + Number(byte === 10), 0);
}

function isSubsequence(part: Uint8Array, whole: Uint8Array): boolean {
	let at = 0;
	for (const byte of whole) if (byte === part[at]) at += 1;
	return at === part.byteLength;
}
