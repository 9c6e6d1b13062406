import { describe, expect, test } from "vitest";
import { LogFormatter } from "../../worker/logs/format.ts";
import { LineSplitter } from "../../worker/logs/lines.ts";
import { parseAnsi } from "../../worker/pages/ansi.ts";

const encoder = new TextEncoder();
const STAMP = "2026-01-02T03:04:05.678Z ";

/** Puts a text through in pieces of this size. */
function inPieces(text: string, size: number, push: (bytes: Uint8Array) => void): void {
	const bytes = encoder.encode(text);
	for (let at = 0; at < bytes.byteLength; at += size) push(bytes.slice(at, at + size));
}

describe("formats", () => {
	const log = `${STAMP}\u001b[31mred\u001b[0m and ü\n${STAMP}\u001b]8;;http://x\u0007link\u001b]8;;\u0007\n${STAMP}\n${STAMP}end`;

	test.each([1, 2, 7, 1000])("are the same however the log is cut (%i bytes)", (size) => {
		const format = (name: "raw" | "clean") => {
			const formatter = new LogFormatter(name);
			const parts: Uint8Array[] = [];
			inPieces(log, size, (bytes) => parts.push(formatter.push(bytes)));
			return Buffer.concat(parts).toString();
		};
		expect(format("raw")).toBe("\u001b[31mred\u001b[0m and ü\n\u001b]8;;http://x\u0007link\u001b]8;;\u0007\n\nend");
		expect(format("clean")).toBe("red and ü\nlink\n\nend");
	});
});

describe("lines", () => {
	test.each([1, 3, 1000])("are whole, with the offset of the next one (%i bytes)", (size) => {
		const splitter = new LineSplitter(100);
		const lines: string[] = [];
		let offset = 0;
		inPieces("one\nzwö\n\nrest", size, (bytes) => {
			const batch = splitter.push(bytes);
			lines.push(...(batch?.lines ?? []));
			offset = batch?.nextOffset ?? offset;
		});
		expect([lines, offset, splitter.flush()]).toEqual([["one", "zwö", ""], 110, { lines: ["rest"], nextOffset: 114 }]);
	});

	test("without an end are given out in parts", () => {
		const splitter = new LineSplitter(0);
		let given = 0;
		for (let index = 0; index < 64; index += 1) given += splitter.push(new Uint8Array(64 * 1024).fill(97))?.lines.join("").length ?? 0;
		expect(given).toBe(64 * 64 * 1024);
	});
});

describe("colours", () => {
	test("become classes; every other sequence goes, and nothing stays invisible", () => {
		expect(parseAnsi("a\u001b[1;31mb\u001b[22mc\u001b[0md")).toEqual([
			{ text: "a", classes: [] },
			{ text: "b", classes: ["fg1", "bold"] },
			{ text: "c", classes: ["fg1"] },
			{ text: "d", classes: [] },
		]);
		expect(
			parseAnsi("\u001b[2Jx\u001b[10;20Hy\u001b]0;title\u0007z\u0000")
				.map(({ text }) => text)
				.join(""),
		).toBe("xyz␀");
		expect(parseAnsi("\u001b[38;5;196mx\u001b[48;2;0;0;0my\u001b[97mz").map(({ classes }) => classes)).toEqual([
			["fg1"],
			["fg1", "bg0"],
			["fg15", "bg0"],
		]);
	});

	test("of a line that was overwritten the last version is shown", () => {
		expect(parseAnsi("10%\r50%\r100%\r").map(({ text }) => text)).toEqual(["100%"]);
	});
});
