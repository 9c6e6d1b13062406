import { RE2JS } from "@bufbuild/re2";
import { describe, expect, test } from "vitest";
import { acceptedTexts, rejectedTexts } from "../../bench/hostile_texts.ts";
import { lintingPipeline, lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { readingRepositoryFile } from "../../schema/pipeline/parse/repository_file.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { parseSource } from "../../schema/pipeline/syntax/document.ts";
import { anyPathMatches, patternError } from "../../schema/pipeline/syntax/patterns.ts";
import { doneAtOnce, SLICE_UNITS, type SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { discoveryResult } from "../../schema/wire/discovery.ts";
import type { ApiError } from "../../schema/wire/errors.ts";
import { MAX_DISCOVERY_BYTES, MAX_DISCOVERY_FILE_BYTES, MAX_ERRORS_SHOWN, MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import { withTurn } from "../../worker/platform/turns.ts";

/** What a work comes to: its units in all, and the most that it does without a pause. */
function measured<Value>(work: SlicedWork<Value>): { value: Value; units: number; longest: number } {
	let units = 0;
	let longest = 0;
	for (;;) {
		const step = work.next();
		if (step.done) return { value: step.value, units, longest };
		units += step.value;
		longest = Math.max(longest, step.value);
	}
}

const many = (count: number, textOf: (index: number) => string, between = "\n") =>
	Array.from({ length: count }, (_, index) => textOf(index)).join(between);
const environmentOf = (count: number) => `steps: [x]\nenv:\n${many(count, (index) => `  k${index}: v`)}\n`;

describe("a text that is made to take long", { timeout: 30_000 }, () => {
	test.each(Object.entries(rejectedTexts()))("%s: is rejected with a short answer, and never for long without a pause", (_, text) => {
		const { value, longest } = measured(lintingPipeline(text));
		expect(value.valid).toBe(false);
		expect(value.errors.length).toBeGreaterThan(0);
		expect(value.errors.length).toBeLessThanOrEqual(MAX_ERRORS_SHOWN);
		expect(JSON.stringify(value).length).toBeLessThan(256 * 1024);
		expect(longest).toBeLessThan(6 * SLICE_UNITS);
	});

	test.each(Object.entries(acceptedTexts()))("%s: is accepted, and never for long without a pause", (_, text) => {
		expect(new TextEncoder().encode(text).byteLength).toBeLessThanOrEqual(MAX_PIPELINE_BYTES);
		const { value, longest } = measured(lintingPipeline(text));
		expect(value.errors).toEqual([]);
		expect(longest).toBeLessThan(6 * SLICE_UNITS);
	});

	test("the work grows with the length of the text, also where nothing is accepted", () => {
		for (const textOf of [
			environmentOf,
			(count: number) => `steps: [x]\n${many(count, () => "key: v")}\n`,
			(count: number) => `steps: [${"a, ".repeat(count)}]\n`,
			(count: number) => `${"# a comment\n".repeat(count)}steps: [x]\n`,
			(count: number) => `steps: [x]\n${many(count, (index) => `? k${index}\n: v`)}\n`,
		]) {
			const [once, twice] = [2_000, 4_000].map((count) => measured(lintingPipeline(textOf(count))).units) as [number, number];
			expect(twice / once).toBeLessThan(2.5);
		}
	});

	test("others run meanwhile", async () => {
		let turns = 0;
		const counting = setInterval(() => {
			turns += 1;
		}, 0);
		const text = environmentOf(20_000);
		const check = await withTurn(lintingPipeline(text), text.length);
		clearInterval(counting);
		expect(check.errors[0]?.message).toBe("`env` has at most 5000 variables.");
		expect(turns).toBeGreaterThan(10);
	});

	test("a small text does not wait for a large one", async () => {
		const large = environmentOf(20_000);
		const order: string[] = [];
		const small = "steps: [x]";
		await Promise.all([
			withTurn(lintingPipeline(large), large.length).then(() => order.push("large")),
			withTurn(lintingPipeline(large), large.length).then(() => order.push("large")),
			withTurn(lintingPipeline(small), small.length).then(() => order.push("small")),
		]);
		expect(order).toEqual(["small", "large", "large"]);
	});

	test("submissions beyond the limit are rejected with the time of the next try", async () => {
		const work = function* (): SlicedWork<void> {
			for (let done = 0; done < 3; done += 1) yield SLICE_UNITS;
		};
		const all = await Promise.allSettled(Array.from({ length: 70 }, () => withTurn(work(), 1_000_000)));
		const rejected = all.filter((one) => one.status === "rejected").map(({ reason }) => reason as ApiError);
		expect(rejected).toHaveLength(6);
		expect(rejected[0]).toMatchObject({ code: "unavailable", headers: { "Retry-After": "5" } });
	});
});

describe("limits of a text", { timeout: 30_000 }, () => {
	const errorOf = (text: string) => {
		const [first] = lintPipeline(text).errors;
		return [first?.line, first?.column, first?.path, first?.message];
	};

	test.each([
		["keys, values and items", environmentOf(70_000), [25_001, 11, "", "The text has more than 50000 keys, values and items."]],
		["variables", environmentOf(5_001), [3, 3, "env", "`env` has at most 5000 variables."]],
		["depth", `a: ${"[".repeat(101)}${"]".repeat(101)}`, [1, 104, "", "The text is nested more than 100 levels deep."]],
		[
			"depth of keys in brackets",
			`a: &a [x, x, x, x]\nb: [${"  k: 1\n".repeat(3_000)}`,
			[105, 4, "", "The text is nested more than 100 levels deep."],
		],
		["depth of maps", many(150, (index) => `${" ".repeat(index)}a:`), [105, 106, "", "The text is nested more than 100 levels deep."]],
		["depth of lists in one line", `${"- ".repeat(150)}x`, [1, 210, "", "The text is nested more than 100 levels deep."]],
		["anchors", `a: [${"&a b, ".repeat(2_001)}]`, [1, 12_005, "", "The text has more than 2000 anchors and tags."]],
		["a single text", `steps:\n- |\n${"  x\n".repeat(200_000)}`, [3, 1, "", "A single text has more than 524288 characters."]],
		["the lines of a single text", `steps:\n- |\n${"  x\n".repeat(20_001)}`, [3, 1, "", "A single text has more than 20000 lines."]],
		[
			"a pattern",
			`on: { push: { paths: '${"a".repeat(501)}' } }\nsteps: [x]`,
			[1, 22, "on.push.paths.0", "A pattern has at most 500 characters."],
		],
		[
			"the signs of a pattern",
			`artifacts: { save: '${"*a".repeat(31)}' }\nsteps: [x]`,
			[1, 20, "artifacts.save.0", "A pattern has at most 30 signs such as * and {."],
		],
		[
			"a tool's range",
			`runs_on: { tools: { node: '${">1 ".repeat(100)}' } }\nsteps: [x]`,
			[1, 27, "runs_on.tools.node", "The text has at most 200 characters."],
		],
		[
			"a cron time",
			`on: { schedule: [{ cron: '${"* ".repeat(300)}' }] }\nsteps: [x]`,
			[1, 26, "on.schedule.0.cron", "The text has at most 200 characters."],
		],
		[
			"the repetitions of a parameter's pattern",
			"params: { p: { pattern: 'a{400}b{200}' } }\nsteps: [x]",
			[1, 25, "params.p.pattern", expect.stringContaining("repetitions of 500")],
		],
		[
			"the axes of a matrix's entries",
			`matrix: { include: [${many(51, (index) => `{ a${index}: x }`, ", ")}] }\nsteps: [x]`,
			[1, 9, "matrix", "The entries of a matrix have at most 50 axes in all."],
		],
	])("%s", (_, text, expected) => {
		expect(errorOf(text)).toEqual(expected);
	});

	test("an alias counts for all that it stands for", () => {
		const map = `{${many(2_000, (index) => `K${index}: v`, ", ")}}`;
		const text = (count: number) => `env: &e ${map}\njobs:\n${many(count, (index) => `  j${index}: { env: *e, steps: [x] }`)}`;
		expect(lintPipeline(text(2)).errors).toEqual([]);
		expect(errorOf(text(99))[3]).toContain("more than 50000 keys, values and items");
	});

	test("files of a repository: the bytes of each, and of all", () => {
		const file = (bytes: number, index = 0) => ({ path: `${index}.yml`, text: "é".repeat(bytes / 2) });
		const accepts = (...files: { path: string; text: string }[]) => discoveryResult.safeParse({ files, changed: null }).success;
		expect(accepts(file(MAX_DISCOVERY_FILE_BYTES))).toBe(true);
		expect(accepts(file(MAX_DISCOVERY_FILE_BYTES + 2))).toBe(false);
		const whole = Array.from({ length: MAX_DISCOVERY_BYTES / MAX_DISCOVERY_FILE_BYTES }, (_, index) =>
			file(MAX_DISCOVERY_FILE_BYTES, index),
		);
		expect(accepts(...whole)).toBe(true);
		expect(accepts(...whole, file(2, 9))).toBe(false);
	});
});

describe("large texts say the same as small ones", { timeout: 30_000 }, () => {
	test("the value and the places of every key and item", () => {
		const text = `jobs:\n${many(300, (index) => `  j${index}:\n    env: { A: "${index}", B: [x] }\n    steps:\n      - run: |\n          echo ${index}\n      - b`)}\n`;
		const { value, locate } = parseSource(text);
		const { jobs } = value as { jobs: Record<string, { env: unknown; steps: unknown[] }> };
		expect(Object.keys(jobs)).toHaveLength(300);
		expect(jobs.j299).toEqual({ env: { A: "299", B: ["x"] }, steps: [{ run: "echo 299\n" }, "b"] });
		expect(locate(["jobs", "j299", "env", "A"])).toEqual({ line: 2 + 299 * 6 + 1, column: 15 });
		expect(locate(["jobs", "j299", "steps", "1"])).toEqual({ line: 2 + 299 * 6 + 5, column: 9 });
	});

	test("errors of syntax, where they are", () => {
		const errorsOf = (text: string) => lintPipeline(text).errors.map(({ line, column, message }) => [line, column, message]);
		expect(errorsOf(`${environmentOf(3_000)}  k7: again\n`)).toEqual([[3_003, 3, "Map keys must be unique."]]);
		for (const wrong of ["   deeper: x\n", " less: x\n", "  - item\n", "  k: 'open\n", "  word\n", "  k: [a\nb: c\n"]) {
			const [small, large] = [3, 3_000].map((count) =>
				errorsOf(environmentOf(count) + wrong).map(([line, column, message]) => [Number(line) - count, column, message]),
			);
			expect(large?.map(([line, , message]) => [line, message])).toEqual(small?.map(([line, , message]) => [line, message]));
		}
		expect(errorsOf(`steps: [${"a, ".repeat(3_000)}b c, , d]`)).toEqual([[1, 9_014, "Unexpected , in flow sequence."]]);
		expect(errorsOf(`steps: [${"a, ".repeat(3_000)}`)[0]?.[2]).toContain("must be sufficiently indented and end with a ]");
		expect(errorsOf(`a: {${many(2_000, (index) => `k${index}: v`, ", ")}, k1999: w}`)).toHaveLength(1);
	});

	test("line ends of Windows, a byte order mark, and tags that the library knows", () => {
		const text = `\uFEFF${environmentOf(2_000)}`.replaceAll("\n", "\r\n");
		expect(lintPipeline(text).errors).toEqual([]);
		expect(lintPipeline(`steps: [${many(190, () => "!!str x", ", ")}]`).errors).toEqual([]);
	});

	test("a pipeline of 10 MiB inside of a submission in JSON", () => {
		const script = "echo \"ü\"\t\\ '${x}'\n";
		const pipeline = `${`# ${"x".repeat(100)}\n`.repeat(95_000)}steps:\n  - ${JSON.stringify(script)}\n`;
		const { jobs } = parseSubmission(JSON.stringify({ pipeline })).pipeline;
		expect(jobs[0]?.steps[0]?.run).toBe(script.trim());
	});

	test("a long text in quotes is read as JSON reads it, or as YAML does while it is not too long", () => {
		const folded = `"${"a line\n\n  and \\x41nother ".repeat(500)}"`;
		expect(parseSource(folded).value).toBe(`${"a line\nand Another ".repeat(500)}`);
		expect(lintPipeline(`"${"a line\n  ".repeat(20_000)}"`).errors[0]?.message).toContain("must be valid JSON");
	});
});

describe("patterns", { timeout: 30_000 }, () => {
	test("what is said to be a pattern can be compiled, and the other way round", () => {
		for (const inner of [
			"a-z",
			"z-a",
			"-a",
			"a-",
			"!a-c",
			"^c-a",
			"a-c-e",
			"--0",
			"0--",
			"\\-a",
			"[-a",
			"é-a",
			"a-é",
			"]-a",
			"a]",
			"!]-a",
		]) {
			let isCompiled = true;
			const end = inner.indexOf("]", /^[!^]/.test(inner) ? 2 : 1);
			const written = (end > 0 ? inner.slice(0, end) : inner).replace(/^!/, "^").replaceAll(/[\\[]/g, "\\$&");
			try {
				RE2JS.compile(`[${written}]`);
			} catch {
				isCompiled = false;
			}
			expect([inner, patternError(`x[${inner}]`) === null]).toEqual([inner, isCompiled]);
		}
	});

	test("many patterns and many long paths end in time, without an answer", () => {
		const patterns = Array.from({ length: 100 }, (_, index) => `${"*a".repeat(25)}${index}`);
		const paths = Array.from({ length: 5_000 }, (_, index) => `${"a".repeat(2_000)}${index}x`);
		const { value, longest } = measured(anyPathMatches(patterns, paths));
		expect(value).toBeNull();
		expect(longest).toBeLessThan(2 * SLICE_UNITS);
		expect(doneAtOnce(anyPathMatches(["src/**"], ["docs/a", "src/b"]))).toBe(true);
		expect(doneAtOnce(anyPathMatches(["src/**"], ["docs/a"]))).toBe(false);
	});

	test("a file whose patterns would take too long counts as changed", () => {
		const text = `on: { push: { paths: [${many(100, (index) => `'${"*a".repeat(25)}${index}'`, ", ")}] } }\nsteps: [x]`;
		const trigger = {
			kind: "push" as const,
			ref: "refs/heads/main",
			branch: "main",
			tag: null,
			sha: null,
			before: null,
			message: null,
			pull_request: null,
			actor: "a",
		};
		const reading = readingRepositoryFile(
			{ path: "ci.yml", text },
			{
				trigger,
				changed: Array.from({ length: 5_000 }, () => "b".repeat(2_000)),
				sha: null,
				baseSha: null,
				project: "web",
				repository: { address: "https://git.test/web.git", branch: "main" },
				params: {},
				included: new Map(),
				isNamed: false,
			},
		);
		expect(doneAtOnce(reading).wanted).toHaveProperty("submission");
	});
});
