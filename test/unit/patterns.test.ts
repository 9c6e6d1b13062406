import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfinedFolder } from "../../agent/files/confined_folder.ts";
import { findFiles } from "../../agent/results/find_files.ts";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { anyPathMatches, folderMatcher, nameMatcher, pathMatcher, patternError } from "../../schema/pipeline/syntax/patterns.ts";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import { whyNot } from "../../schema/pipeline/validate/triggers.ts";
import { temporaryFolder } from "../support/processes.ts";

describe("the syntax of patterns", () => {
	test.each([
		["app/\\[id\\]/page.js", ["app/[id]/page.js"], ["app/i/page.js"]],
		["out \\(1\\).txt", ["out (1).txt"], ["out 1.txt"]],
		["out (1).txt", ["out (1).txt"], ["out 1.txt"]],
		["\\!a", ["!a"], ["a"]],
		["a\\*b\\?\\{c,d\\}\\\\", ["a*b?{c,d}\\"], ["axbyc\\"]],
		["{a\\,b,c}", ["a,b", "c"], ["a", "b"]],
		["[\\]\\-x]", ["]", "-", "x"], ["a", "\\"]],
		["[]a]", ["]", "a"], ["b"]],
		["[!a-c]", ["d", "-"], ["a", "b"]],
		["a[!b]c", ["adc"], ["a/c", "abc"]],
		["a[+-9]c", ["a.c", "a1c"], ["a/c"]],
		["?", ["é", "😀", "\n"], ["ab", "/"]],
		["*", ["a\nb.txt", ".hidden", "folder/x"], []],
		["a**/b", ["ax/b", "a/x/b", "ax/y/b"], ["ab"]],
		["{**/,}x", ["x", "a/b/x"], ["ax"]],
		["{a/,b/}**/x", ["a/x", "b/c/x"], ["ax", "a/bx"]],
		["a//./b/", ["a/b", "a/b/c"], ["a"]],
		["docs/**/", ["docs/a", "docs/a/b"], ["docs"]],
		["e\u0301", ["\u00e9", "e\u0301"], ["e"]],
		["{a,b{c,d/**}}", ["a", "bc", "bd/x/y"], ["b", "bd"]],
	])("%s", (pattern, named, others) => {
		expect(patternError(pattern)).toBeNull();
		const isNamed = pathMatcher([pattern]);
		expect([...named, ...others].filter(isNamed)).toEqual(named);
	});

	test.each([
		["+(a|b)", "+(a|b) is not supported", "Write {a,b} for one of these. Write +\\(a|b\\) where the ( is part of a name."],
		["@(a)", "@(a) is not supported", "Write @\\(a\\) where the ( is part of a name."],
		["?(a|b).txt", "?(a|b) is not supported", "Write {a,b} for one of these."],
		["*(a|b)", "*(a|b) is not supported", "Write {a,b} for one of these."],
		["!(a|b)", "!(a|b) is not supported", "To exclude, write a pattern of its own that begins with !"],
		["src/!(a)", "!(a) is not supported", "To exclude"],
		["+(a", "+(a is not supported", "where the ( is part of a name"],
		["src/(a|b).js", "(a|b) is not supported", "Write {a,b} for one of these."],
		["file{1..3}", "{1..3} is not supported", "Write [1-3]."],
		["file{8..11}", "{8..11} is not supported", "Write {8,9,10,11}."],
		["file{1..10..2}", "{1..10..2} is not supported", "Write the values out"],
		["{a..e}", "{a..e} is not supported", "Write [a-e]."],
		["[[:digit:]]", "[[:digit:]] is not supported", "Write [0-9]."],
		["[a[:alpha:]]", "[[:alpha:]] is not supported", "Write [A-Za-z]."],
		["[[.a.]]", "[[.a.]] is not supported", "Write the characters themselves"],
		["[[=e=]]", "[[=e=]] is not supported", "Write the characters themselves"],
		["[^a]", "[^ is not supported", "Write [!a]"],
		["***", "*** is not supported", "Write **"],
		["!!a", "!! is not supported", "Write !\\!"],
		["[abc", "the [ at character 1 has no ]", "Write \\["],
		["[]", "the [ at character 1 has no ]", "Write \\["],
		["[!]", "the [ at character 1 has no ]", "Write \\["],
		["x{a,b", "the { at character 2 has no }", "Write \\{"],
		["{a}", "{a} has only one alternative", "Write \\{a\\}"],
		["[a/b]", "never /", "Write / outside"],
		["[z-a]", "from the lower character to the higher", "Turn the range around."],
		["a\\", "it ends with a \\", "Write \\\\"],
		["a\\/b", "a \\ precedes a /", "Write / alone"],
	])("%s is rejected by name", (pattern, message, suggestion) => {
		expect(patternError(pattern)?.message).toContain(message);
		expect(patternError(pattern)?.suggestion).toContain(suggestion);
	});

	test.each([
		["steps: [a]\nartifacts:\n  save:\n    - ok\n    - '+(a|b)'", "5:7 artifacts.save.1"],
		["steps: [a]\nartifacts:\n  save:\n    - paths: ['[[:digit:]]']", "4:15 artifacts.save.0.paths.0"],
		["on: { push: { paths: ['{1..3}'] } }\nsteps: [a]", "1:23 on.push.paths.0"],
		["on: { push: { branches: ['@(a|b)'] } }\nsteps: [a]", "1:26 on.push.branches.0"],
		["steps: [a]\nreports: { junit: '[^a]' }", "2:19 reports.junit.0"],
		[
			"jobs:\n  a: { steps: [x], artifacts: { save: x } }\n  b: { needs: a, steps: [x], artifacts: { fetch: [{ job: a, paths: ['***'] }] } }",
			"3:69 jobs.b.artifacts.fetch.0.paths.0",
		],
		["jobs:\n  a: { if: 'changed(\"{1..3}\")', steps: [x] }", "2:21 jobs.a.if"],
	])("a pipeline with a pattern that is none names its line and column: %s", (text, place) => {
		const [first] = lintPipeline(text).errors;
		expect(`${first?.line}:${first?.column} ${first?.path}`).toBe(place);
		expect(first?.suggestion).toMatch(/^(Write|To exclude)/);
	});

	test.each([
		["steps: [a]\nartifacts: { save: ['!x', '!y'] }", "2:20 artifacts.save"],
		["steps: [a]\nartifacts: { save: [{ paths: f }, '!y'] }", "2:20 artifacts.save"],
		["steps: [a]\nartifacts: { save: [{ paths: ['!x'] }] }", "2:30 artifacts.save.0.paths"],
		["on: { push: { paths: '!docs/**' } }\nsteps: [a]", "1:22 on.push.paths"],
		["if: changed('!docs/**')\nsteps: [a]", "1:5 if"],
	])("patterns of which each excludes name nothing, and are rejected: %s", (text, place) => {
		const [first] = lintPipeline(text).errors;
		expect(`${first?.line}:${first?.column} ${first?.path}`).toBe(place);
		expect([first?.message, first?.suggestion]).toEqual([
			"Every pattern excludes, so that none matches.",
			'Add a pattern that includes, such as "**".',
		]);
	});

	test("hostile patterns and paths take linear time", () => {
		const began = performance.now();
		for (const pattern of [
			`${"*a".repeat(29)}b`,
			"{a,".repeat(30),
			"(".repeat(500),
			`${"{a*,".repeat(15)}b${"}".repeat(15)}`,
			"[".repeat(500),
		]) {
			patternError(pattern);
			pathMatcher([pattern])("a".repeat(20_000));
			folderMatcher([pattern])("a/".repeat(10_000));
		}
		expect(performance.now() - began).toBeLessThan(5_000);
	});
});

/** A part of a pattern, and a text that it stands for. */
const literal = fc.constantFrom(
	"a",
	"b",
	"(",
	")",
	"+",
	"@",
	"[",
	"]",
	"{",
	"}",
	"*",
	"?",
	"!",
	"\\",
	",",
	"-",
	"^",
	".",
	"é",
	" ",
	"\n",
	"|",
	"$",
);
const escapedLiteral = literal.map((character) => `\\${character}`);
const simplePart = fc.oneof(
	{ weight: 4, arbitrary: fc.constantFrom("a", "b", ".", "é", "-") },
	{ weight: 3, arbitrary: escapedLiteral },
	{ weight: 2, arbitrary: fc.constantFrom("*", "?", "[ab]", "[!a]", "[a-c]", "[\\]\\\\]") },
);
const namePart = fc.oneof(
	{ weight: 5, arbitrary: simplePart },
	{
		weight: 1,
		arbitrary: fc
			.array(fc.array(simplePart, { maxLength: 2 }), { minLength: 2, maxLength: 3 })
			.map((all) => `{${all.map((one) => one.join("")).join(",")}}`),
	},
);
const patternName = fc.oneof(
	{ weight: 4, arbitrary: fc.array(namePart, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("").replaceAll(/\*{2,}/g, "*")) },
	{ weight: 1, arbitrary: fc.constant("**") },
);
const patternText = fc
	.tuple(fc.constantFrom("", "", "", "!"), fc.array(patternName, { minLength: 1, maxLength: 3 }))
	.map(([sign, names]) => `${sign}${names.join("/")}`)
	// `.` is no name: it stands for the folder itself.
	.filter((pattern) => patternError(pattern) === null && !/(^!?|\/)\\?\.(\/|$)/.test(pattern));
const fileName = fc
	.array(literal, { minLength: 1, maxLength: 3 })
	.map((parts) => parts.join(""))
	.filter((name) => name !== "." && name !== "..");
const filePath = fc.array(fileName, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));

/** What a pattern means, in the plainest words: it tries everything. */
function means(pattern: string, text: string): boolean {
	const [head = "", ...rest] = tokensOf(pattern);
	const tail = rest.join("");
	if (pattern === "") return text === "" || text.startsWith("/");
	if (head === "**/") return means(tail, text) || [...text].some((_, at) => text[at] === "/" && means(tail, text.slice(at + 1)));
	if (head === "**") return Array.from({ length: text.length + 1 }, (_, at) => at).some((at) => means(tail, text.slice(at)));
	if (head === "*") return means(tail, text) || (text !== "" && text[0] !== "/" && means(pattern, text.slice(1)));
	if (head.startsWith("{")) return alternativesOf(head).some((one) => means(one + tail, text));
	if (text === "") return false;
	const [first = ""] = text;
	if (head === "?") return first !== "/" && means(tail, text.slice(first.length));
	if (head.startsWith("[")) return first !== "/" && isInClass(head, first) && means(tail, text.slice(first.length));
	return first === (head.startsWith("\\") ? head.slice(1) : head) && means(tail, text.slice(first.length));
}

function tokensOf(pattern: string): string[] {
	return pattern.match(/\*\*\/|\*\*|\\.|\[(?:\\.|[^\]])*\]|\{(?:\\.|[^}])*\}|./gsu) ?? [];
}

function alternativesOf(choice: string): string[] {
	return choice.slice(1, -1).match(/(?:\\.|\[(?:\\.|[^\]])*\]|[^,])+|(?<=,|^)(?=,|$)/gsu) ?? [];
}

function isInClass(text: string, character: string): boolean {
	const inner = text.slice(1, -1);
	const isNegated = inner.startsWith("!");
	const members = (inner.replace(/^!/, "").match(/.-.|\\.|./gsu) ?? []).map((one) => (one.startsWith("\\") ? one.slice(1) : one));
	const isMember = members.some((one) => (one.length === 3 ? one.charAt(0) <= character && character <= one.charAt(2) : one === character));
	return isMember !== isNegated;
}

const SEED = 20_261_129;

test("every place that takes patterns of paths names the same files", async () => {
	await fc.assert(
		fc.asyncProperty(
			fc.array(patternText, { minLength: 1, maxLength: 3 }),
			fc.array(filePath, { minLength: 1, maxLength: 6 }),
			async (patterns, wished) => {
				const root = temporaryFolder();
				const paths = wished.filter((file) => made(root, file));
				const wanted = patterns.filter((pattern) => !pattern.startsWith("!"));
				const excluded = patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1));
				const expected = [...new Set(paths)]
					.filter((file) => wanted.some((one) => means(one, file)) && !excluded.some((one) => means(one, file)))
					.sort();

				const folder = await ConfinedFolder.open(root);
				const saved = await findFiles(folder, patterns).finally(() => folder.close());
				expect(saved.files).toEqual(expected);
				// Fetching, and `windlass artifacts get`.
				expect([...new Set(paths)].filter(pathMatcher(patterns)).sort()).toEqual(expected);
				for (const file of paths) {
					const isNamed = expected.includes(file);
					// `changed()`, and `on.paths`.
					expect(doneAtOnce(anyPathMatches(patterns, [file]))).toBe(isNamed);
					const trigger = { kind: "push", branch: "main", tag: null } as never;
					expect(doneAtOnce(whyNot({ push: { paths: patterns } }, trigger, [file], false)) === null).toBe(isNamed);
					// Branches and tags: a name, not what is below it.
					if (isNamed && !file.includes("/") && excluded.length === 0) expect(nameMatcher(patterns)(file)).toBe(true);
				}
			},
		),
		{ seed: SEED, numRuns: 1_000 },
	);
});

/** Whether a file could be made there: another one may stand where its folder belongs. */
function made(root: string, file: string): boolean {
	try {
		mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
		writeFileSync(path.join(root, file), "");
		return true;
	} catch {
		return false;
	}
}
