import { expect, test } from "vitest";
import { type Failure, failure as shape } from "../../schema/wire/failures.ts";
import { failureJson, failureText } from "../../worker/failures/text.ts";

const URL_OF = (id: string) => `https://ci.lan/runs/${id}`;
const FAILURE: Failure = {
	run: { id: "run_1", number: 40, url: URL_OF("run_1"), project: "web", pipeline: "ci", state: "failed" },
	cause: "unit tests, step npm test: exit code 1, 3 of 119 tests failed. All of them are new.",
	job: { id: "job_1", name: "unit tests", state: "failed", attempt: 1, agent: "builder", url: "https://ci.lan/jobs/job_1" },
	step: { name: "npm test", exit_code: 1 },
	tests: {
		failed: 3,
		total: 119,
		items: ["rule 0", "rule 1"].map((name) => ({
			...{
				suite: "cart",
				name,
				message: "expected 200, got 500",
				output: "at cart.test.ts:41\nat runner.js:1",
				newly_failing: true,
				flaky: false,
			},
		})),
	},
	log: Array.from({ length: 40 }, (_, index) => ({
		line: index < 5 ? index + 1 : index + 100,
		text: `✗ a line of the log, number ${index}`,
	})),
	others: [{ id: "job_2", name: "lint", state: "failed", reason: "exit code 2" }],
	since: {
		run: { id: "run_0", number: 39, url: URL_OF("run_0") },
		commits: [{ sha: "29eb2f3100000000000000000000000000000000", subject: "Add voucher rules", author: "ada" }],
		changes: ["agent: a → b"],
	},
	before: "unit tests succeeded in the 10 runs of this branch before.",
	next: ["windlass logs job_1"],
};
const bytes = (text: string) => new TextEncoder().encode(text).byteLength;

test("a failure as text begins with the cause, and has tests, log, changes and commands", () => {
	const text = failureText(FAILURE, 100_000);
	expect(text.split("\n").slice(0, 3)).toEqual([
		"web #40 failed: unit tests, step npm test: exit code 1, 3 of 119 tests failed. All of them are new.",
		"unit tests succeeded in the 10 runs of this branch before.",
		"Changed since #39, the last success: 1 commit; agent: a → b.",
	]);
	for (const part of [
		"Failed test: cart › rule 0 (new)\n  expected 200, got 500\n  at cart.test.ts:41\n",
		"Also: cart › rule 1 (new)\nand 1 more\n",
		"  5 ✗ a line of the log, number 4\n    …\n105 ✗ a line of the log, number 5\n",
		"  29eb2f31 Add voucher rules (ada)\n",
		"  lint: exit code 2\n",
		"  windlass logs job_1\n",
	])
		expect(text).toContain(part);
});

test("a failure as text or JSON has at most the asked bytes, in whole lines", () => {
	const whole = failureText(FAILURE, 100_000);
	for (let most = 1_000; most <= 4_000; most += 250) {
		const text = failureText(FAILURE, most);
		expect(bytes(text)).toBeLessThanOrEqual(most);
		expect(text.endsWith("\n\nNext:\n  windlass logs job_1\n")).toBe(true);
		expect(whole.split("\n")).toEqual(expect.arrayContaining(text.trimEnd().split("\n")));
		const json = failureJson(FAILURE, most);
		expect(bytes(json)).toBeLessThanOrEqual(most);
		expect(shape.parse(JSON.parse(json)).cause).toBe(FAILURE.cause);
	}
	expect(JSON.parse(failureJson(FAILURE, 100_000))).toEqual(FAILURE);
});

test("a very long line takes no room from the others", () => {
	const text = failureText({ ...FAILURE, log: [{ line: 1, text: "x".repeat(100_000) }], cause: "y".repeat(100_000) }, 1_500);
	expect(bytes(text)).toBeLessThanOrEqual(1_500);
	for (const part of ["yyy…\n", "Failed test: cart › rule 0", "xxx…\n", "Next:"]) expect(text).toContain(part);
});

test("a very long cause is cut, too", () => {
	const json = failureJson({ ...FAILURE, cause: "é".repeat(5_000) }, 1_000);
	expect(bytes(json)).toBeLessThanOrEqual(1_000);
	expect(shape.parse(JSON.parse(json)).log).toEqual([]);
});
