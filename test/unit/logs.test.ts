import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { startProcess } from "../../agent/processes/start_process.ts";
import { ansiParts, plainText } from "../../schema/text/ansi.ts";
import { LogFormatter } from "../../schema/text/log_formatter.ts";
import { LineSplitter } from "../../worker/logs/lines.ts";
import { parseAnsi } from "../../worker/ui/ansi.ts";
import { temporaryFolder } from "../support/processes.ts";

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

describe("output", () => {
	test("that cannot be kept ends the job, and not the process that writes it", async () => {
		const folder = temporaryFolder();
		const command = ["sh", "-c", `seq 200000; echo whole > ${folder}/end`];
		const refused = { write: () => Promise.reject(new Error("the disk is gone")) };
		const running = await startProcess(command, { cwd: folder, env: { PATH: process.env.PATH ?? "" }, cgroup: null }, refused);
		await expect(running.exited).rejects.toMatchObject({
			outcome: { state: "errored", reason: { code: "log_lost", text: expect.stringContaining("the disk is gone") } },
		});
		expect(readFileSync(path.join(folder, "end"), "utf8")).toBe("whole\n");
	});

	test.each([
		["TERM", 143],
		["SEGV", 139],
		["KILL", 137],
	])("holds only what the command wrote when the signal %s ends it", async (signal, exitCode) => {
		let written = "";
		const write = async (bytes: Uint8Array) => {
			written += Buffer.from(bytes).toString();
		};
		const command = ["sh", "-c", `echo before >&2; kill -${signal} $$`];
		const running = await startProcess(command, { cwd: temporaryFolder(), env: { PATH: process.env.PATH ?? "" }, cgroup: null }, { write });
		expect([await running.exited, written]).toEqual([exitCode, "before\n"]);
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

/** A sequence of every kind, and what is text beside it. */
const SEQUENCES: [string, string, string][] = [
	["tput sgr0: a character set and SGR", "\u001b(B\u001b[mplain", "plain"],
	["two-byte sequences and private ones", "\u001b7a\u001b8b\u001b=c\u001bcd\u001bME", "abcdE"],
	["a control sequence with private parameters and an intermediate", "a\u001b[?25lb\u001b[>4;1mc\u001b[1 qd\u001b[!pe", "abcde"],
	["operating system commands, ended by BEL and by ST", "\u001b]0;title\u0007a\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\", "alink"],
	[
		"device control, privacy, application and other strings",
		"a\u001bPq#0\u0007#1\u001b\\b\u001b^pm\u001b\\c\u001b_apc\u001b\\d\u001bXsos\u001b\\e",
		"abcde",
	],
	["C1 controls of one character", "a\u009b31mb\u009d0;t\u009cc\u0090x\u009cd\u0085e", "abcde"],
	["character sets with more than one intermediate", "a\u001b$(Bb\u001b%Gc\u001b#8d", "abcd"],
	["colours with colons and with semicolons", "\u001b[38:2::1:2:3ma\u001b[48;5;7mb\u001b[4:3;58:5:1mc", "abc"],
	["one that another one interrupts", "\u001b[31\u001b[1ma\u001b]0;t\u001b[0mb\u001b\u001b[mc", "abc"],
	["one that text breaks off: the text stays", "\u001b[31üa\u001bé\u001b[3\tb", "üaé\tb"],
	["unfinished ones at the end", "a\u001b", "a"],
	["an unfinished control sequence", "a\u001b[38;5", "a"],
	["an unfinished string", "a\u001b]0;title", "a"],
	["an unfinished character set", "a\u001b(", "a"],
	["characters whose UTF-8 holds bytes like those of C1 controls", "Û À 本 💥 \u00a0", "Û À 本 💥 \u00a0"],
];

describe("terminal sequences", () => {
	test.each(SEQUENCES)("%s", (_, text, plain) => {
		expect(plainText(text)).toBe(plain);
		expect(
			parseAnsi(text)
				.map((part) => part.text)
				.join(""),
		).toBe(plain);
		for (const size of [1, 2, 3, 1000]) {
			const formatter = new LogFormatter("clean");
			const parts: Uint8Array[] = [];
			inPieces(`${STAMP}${text}\n${STAMP}next`, size, (bytes) => parts.push(formatter.push(bytes)));
			parts.push(formatter.flush());
			expect(Buffer.concat(parts).toString()).toBe(`${plain}\nnext`);
		}
	});

	test("bytes that are not UTF-8 stay as they are beside them", () => {
		const formatter = new LogFormatter("clean");
		const bytes = Buffer.concat([
			Buffer.from(STAMP),
			Buffer.from([0xff, 0x9b, 0x1b, 0x5b, 0x6d, 0xc2]),
			Buffer.from("\n"),
			Buffer.from(STAMP),
			Buffer.from([0xc2]),
		]);
		expect(Buffer.concat([formatter.push(bytes), formatter.flush()])).toEqual(Buffer.from([0xff, 0x9b, 0xc2, 0x0a, 0xc2]));
	});

	test.each(["\u001b[", "\u001b]", "\u001b", "\u001bP", "\u001b[3\u0000", "\u001b(", "\u001b[1;", "\u009d", "\u001b[m"])(
		"a line of %j alone is read in a time that grows with it",
		(unit) => {
			const text = unit.repeat(300_000);
			const started = performance.now();
			let parts = 0;
			for (const _ of ansiParts(text)) parts += 1;
			expect(parts).toBeGreaterThan(0);
			const formatter = new LogFormatter("clean");
			inPieces(`${STAMP}${text}`, 1000, (bytes) => formatter.push(bytes));
			expect(performance.now() - started).toBeLessThan(3_000);
		},
	);
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

	test("of a line that was overwritten or erased the last version is shown, in the colour that holds", () => {
		const shown = (line: string) => parseAnsi(line).map(({ text, classes }) => [text, ...classes].join(" "));
		expect(shown("10%\r50%\r100%\r")).toEqual(["100%"]);
		expect(shown("\u001b[32m10%\r50%")).toEqual(["50% fg2"]);
		expect(shown("10%\r\u001b[K")).toEqual([]);
		expect(shown("10%\u001b[2K\u001b[1Gdone")).toEqual(["done"]);
		expect(shown("10%\u001b[Kdone")).toEqual(["10%done"]);
	});

	test("are taken from both ways of writing them, of 256 and of all; one for underlines is no colour of text", () => {
		const classes = (line: string) => parseAnsi(line).map((part) => part.classes.join(" "));
		expect(classes("\u001b[38:5:196mx\u001b[0;48:2::0:0:0my\u001b[0;38:2:255:255:255mz")).toEqual(["fg1", "bg0", "fg15"]);
		expect(classes("\u001b[4:3;58:2::255:0:0mx\u001b[58;5;1;4:0my\u001b[58;2;1;31;7mz")).toEqual(["underline", ""]);
		expect(classes("\u001b[7mx\u001b[31my\u001b[27;9;44mz")).toEqual(["fginverse bginverse", "fginverse bg1", "fg1 bg4 struck"]);
		expect(classes("\u001b[>4;1mx\u001b[?1my")).toEqual([""]);
	});
});
