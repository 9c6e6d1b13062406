import * as fc from "fast-check";
import { bytesOf, joined } from "./bytes.ts";

/** What jobs write, and what they write to do harm. */

const STAMP = "2026-01-02T03:04:05.678Z ";

const FRAGMENTS = [
	"\n",
	"\n\n",
	"\r\n",
	"\r",
	"50%\r100%\r",
	"\u001b[31m",
	"\u001b[0m",
	"\u001b[38;5;196m",
	"\u001b[",
	"\u001b",
	"\u001b]8;;http://x\u0007",
	"\u001b]0;title",
	"\u001b\\",
	"\u001b(B",
	"\u001bP1$r0m",
	"\u001b_",
	"\u009b31m",
	"\u009d0;title\u009c",
	"\u001b[38:2::1:2:3m",
	"\u001b[2K",
	"\u0007",
	"\0",
	"\ufeff",
	"ü",
	"💥",
	"\u2028",
	"<script>alert(1)</script>",
	"</li><img src=x onerror=alert(1)>",
	"data: x",
	"::exit 0",
	"a",
	"one two three",
	STAMP,
];

const fragment: fc.Arbitrary<Uint8Array> = fc.oneof(
	{ weight: 6, arbitrary: fc.constantFrom(...FRAGMENTS).map(bytesOf) },
	{ weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }) },
	{ weight: 1, arbitrary: fc.nat(40_000).map((size) => new Uint8Array(size).fill(97)) },
);

/** The output of a job. */
export const output: fc.Arbitrary<Uint8Array> = fc.array(fragment, { maxLength: 60 }).map(joined);

/** A log as it is stored: every line begins with its time. */
export const storedLog: fc.Arbitrary<Uint8Array> = output.map((bytes) => stampedLines(bytes));

export function stampedLines(bytes: Uint8Array): Uint8Array {
	const lines = linesIn(bytes);
	return joined(lines.flatMap((line) => [bytesOf(STAMP), line]));
}

/** The lines of some bytes, each with its newline; the last one may have none. */
export function linesIn(bytes: Uint8Array): Uint8Array[] {
	const lines: Uint8Array[] = [];
	for (let at = 0; at < bytes.byteLength; ) {
		const newline = bytes.indexOf(10, at);
		const end = newline === -1 ? bytes.byteLength : newline + 1;
		lines.push(bytes.subarray(at, end));
		at = end;
	}
	return lines;
}
