import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { plainText } from "../../schema/text/ansi.ts";
import { excerptOf } from "../../worker/failures/excerpt.ts";

/** Real logs of failing tools, and the lines of each that its reader has to see. */
const FOLDER = path.join(import.meta.dirname, "failing_logs");
const LOGS = JSON.parse(readFileSync(path.join(FOLDER, "causes.json"), "utf8")) as { log: string; cause: string; expected: string[] }[];

const LIMIT = 40;
/** Nothing but the text of a warning says that these two failed. */
const NOT_FOUND = new Set(["shellcheck", "prettier"]);

function linesOf(log: string): string[] {
	return readFileSync(path.join(FOLDER, `${log}.txt`), "utf8")
		.trimEnd()
		.split("\n");
}

const hasAll = (text: string, expected: readonly string[]) => expected.every((one) => text.includes(one));

describe("the excerpt of a failed log", () => {
	test.each(LOGS.filter(({ log }) => !NOT_FOUND.has(log)))("$log: $cause", ({ log, expected }) => {
		const excerpt = excerptOf(linesOf(log), 0, LIMIT);
		expect(excerpt.length).toBeLessThanOrEqual(LIMIT);
		const text = excerpt.map((line) => line.text).join("\n");
		for (const one of expected) expect(text).toContain(one);
	});

	test("shows the cause far more often than the last lines of the same number do", () => {
		const byExcerpt = LOGS.filter(({ log, expected }) =>
			hasAll(
				excerptOf(linesOf(log), 0, LIMIT)
					.map(({ text }) => text)
					.join("\n"),
				expected,
			),
		);
		const byEnd = LOGS.filter(({ log, expected }) => hasAll(plainText(linesOf(log).slice(-LIMIT).join("\n")), expected));
		expect([LOGS.length, byExcerpt.length, byEnd.length]).toEqual([40, 38, 10]);
	});

	test("has the numbers of its lines in their order, and each line once", () => {
		for (const { log } of LOGS) {
			const lines = linesOf(log);
			const excerpt = excerptOf(lines, 1_000, LIMIT);
			expect(excerpt.map(({ number }) => number)).toEqual([...new Set(excerpt.map(({ number }) => number))].sort((a, b) => a - b));
			for (const { number, text } of excerpt) expect(plainText(lines[number - 1_000] ?? "")).toContain(text.replace(/…$/, ""));
		}
	});

	test("of a log without a word of failure is its last lines, up to the cleanup of its script", () => {
		const lines = ["+ build", "built", "", "+ test -f out", "+ cleanup", "+ rm -rf tmp"];
		expect(excerptOf(lines, 0, LIMIT).map(({ text }) => text)).toEqual(["+ build", "built", "+ test -f out"]);
		expect(excerptOf(["one", "two", "three"], 5, 2)).toEqual([
			{ number: 6, text: "two" },
			{ number: 7, text: "three" },
		]);
		expect(excerptOf([], 0, LIMIT)).toEqual([]);
	});

	test("of very long lines has the beginning, and takes no long time for them", () => {
		const lines = Array.from({ length: 2_000 }, (_, index) => `${"a.b(".repeat(20_000)}${index}: error: ${"x".repeat(1_000)}`);
		const excerpt = excerptOf(["fatal: first", ...lines], 0, LIMIT);
		expect(excerpt.every(({ text }) => text.length <= 400)).toBe(true);
		expect(excerpt[0]?.text).toBe("fatal: first");
	}, 5_000);

	test("shows one of the errors that differ only in numbers, and the last state of a progress bar", () => {
		const retries = Array.from({ length: 50 }, (_, index) => `Error: connect ECONNREFUSED 127.0.0.1:543${index % 10}`);
		expect(excerptOf(retries, 0, LIMIT).length).toBe(1);
		expect(excerptOf(["10 %\r90 %\rfatal: disk is full"], 0, LIMIT)).toEqual([{ number: 0, text: "fatal: disk is full" }]);
	});
});
