import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse as parseYaml } from "yaml";
import { evaluate } from "../../schema/pipeline/expressions/evaluate.ts";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { pathMatcher } from "../../schema/pipeline/syntax/patterns.ts";
import { pipelineJsonSchema } from "../../schema/pipeline/validate/json_schema.ts";
import { describeRequirements, firstUnmetRequirement } from "../../schema/pipeline/validate/requirements.ts";
import type { ApiError, FieldError } from "../../schema/wire/errors.ts";
import { NO_CAPABILITIES } from "../../schema/wire/requirements.ts";

/** The errors of a submission: line, column, path and message, with the suggestion behind it. */
function errorsIn(text: string): string[] {
	try {
		parseSubmission(text);
	} catch (error) {
		const told = (error as ApiError).details.errors as FieldError[];
		return told.map(
			({ line, column, path, message, suggestion }) => `${line}:${column} ${path}: ${message}${suggestion ? ` (${suggestion})` : ""}`,
		);
	}
	return [];
}

const pipelineOf = (text: string, more: object = {}) => parseSubmission(JSON.stringify({ pipeline: text, ...more })).pipeline;
const NO_RUN = {
	...{ branch: "", tag: "", event: "api", project: "", pipeline: "", pull_request: "", target_branch: "", draft: false, labels: [] },
	...{ sha: "", base_sha: "" },
};
const job = (text: string, more: object = {}) => pipelineOf(text, more).jobs[0];

describe("matrix", () => {
	const cells = (matrix: string) => pipelineOf(`matrix: ${matrix}\nsteps: [a]`).jobs.map(({ name, matrix: cell }) => [name, cell]);

	test("makes every combination, in the order of its axes", () => {
		expect(cells("{ os: [a, b], node: [22, 24] }")).toEqual([
			["main (a, 22)", { os: "a", node: "22" }],
			["main (a, 24)", { os: "a", node: "24" }],
			["main (b, 22)", { os: "b", node: "22" }],
			["main (b, 24)", { os: "b", node: "24" }],
		]);
	});

	test("leaves out what is excluded; adds to what agrees with an include, or a variant of its own", () => {
		expect(cells("{ os: [a, b], node: [1], exclude: [{ os: b }], include: [{ os: a, extra: x }, { os: c }] }")).toEqual([
			["main (a, 1, x)", { os: "a", node: "1", extra: "x" }],
			["main (c)", { os: "c" }],
		]);
		expect(cells("{ include: [{ os: a }, { os: b }] }").map(([name]) => name)).toEqual(["main (a)", "main (b)"]);
	});

	test("is filled into names, images, labels, variables", () => {
		expect(
			job(
				'jobs: { t: { name: "on ${{ matrix.os }}", matrix: { os: [alpine] }, runs_on: ["host-${{ matrix.os }}"], container: "img:${{ matrix.os }}", env: { OS: "${{ matrix.os }}!" }, steps: [{ name: "s ${{ matrix.os }}", run: a, env: { X: "${{ matrix.os }}" } }] } }',
			),
		).toMatchObject({
			name: "on alpine",
			runs_on: { labels: ["host-alpine"], container: true },
			container: { image: "img:alpine" },
			env: { OS: "alpine!" },
			steps: [{ name: "s alpine", env: { X: "alpine" } }],
		});
	});

	test("is filled into everything that an agent must have", () => {
		expect(
			job(
				`jobs: { t: { matrix: { os: [linux], arch: [arm64], node: ["22"], n: ["2"] }, steps: [a], runs_on: { os: "\${{ matrix.os }}", arch: "\${{ matrix.arch }}", cores: "\${{ matrix.n }}", memory: "\${{ matrix.n }}GiB", disk: "\${{ matrix.n }}MiB", gpus: "\${{ matrix.n }}", tools: { node: ">=\${{ matrix.node }}" } } } }`,
			)?.runs_on,
		).toEqual({
			labels: [],
			os: "linux",
			arch: "arm64",
			cores: 2,
			memory: 2 * 1024 ** 3,
			disk: 2 * 1024 ** 2,
			gpus: 2,
			tools: { node: ">=22" },
		});
	});

	test("too many variants, an empty one, one that excludes nothing, a value that is ambiguous", () => {
		const many = Array.from({ length: 300 }, (_, index) => `v${index}`);
		expect(errorsIn(`matrix: { a: [${many}] }\nsteps: [a]`)[0]).toMatch(/at most 256/);
		const twenty = Array.from({ length: 20 }, (_, index) => `v${index}`);
		expect(errorsIn(`matrix: { a: [${twenty}], b: [${twenty}] }\nsteps: [a]`)[0]).toContain(
			"The matrix makes 400 jobs. At most 256 are allowed.",
		);
		expect(errorsIn("matrix: { a: [x], exclude: [{ a: x }] }\nsteps: [a]")[0]).toContain("The matrix makes no job.");
		expect(errorsIn("matrix: { a: [x], exclude: [{ a: z }] }\nsteps: [a]")[0]).toContain("excludes nothing");
		expect(errorsIn("matrix: { fail_fast: true }\nsteps: [a]")[0]).toContain("A matrix needs an axis");
		expect(errorsIn("matrix: { a: [1.10] }\nsteps: [a]")[0]).toContain("Quote it");
		expect(errorsIn('matrix: { "a b": [x] }\nsteps: [a]')[0]).toContain("The name of an axis");
	});

	test("has maps as values: their members are in expressions, in names, and in selections", () => {
		const text = `jobs:
  t:
    matrix:
      job: [{ target: x86, use-cross: true }, { target: arm }]
      python-version: ["3.12"]
      include: [{ job: { target: arm }, docs: yes please }]
      exclude: [{ job: { target: x86 }, python-version: "3.13" }]
    env: { T: "\${{ matrix.job.target }}", C: '\${{ matrix.job[?"use-cross"].orValue("no") }}', P: '\${{ matrix["python-version"] }}' }
    steps: [a]
  d: { needs: [{ job: t, matrix: { job: { target: arm } } }], steps: [b] }`;
		expect(errorsIn(text)[0]).toContain("This entry of `exclude` excludes nothing.");
		const { jobs } = pipelineOf(text.replace(/ +exclude.*\n/, ""));
		expect(jobs.map(({ name, env }) => [name, env])).toEqual([
			["t (x86, true, 3.12)", { T: "x86", C: "true", P: "3.12" }],
			["t (arm, 3.12, yes please)", { T: "arm", C: "no", P: "3.12" }],
			["d", {}],
		]);
		expect(jobs[2]?.needs).toEqual([{ key: "t", matrix: { "job.target": "arm" } }]);
	});

	test.each([
		["has(matrix.x) && matrix.x == 'a'", []],
		["!has(matrix.x) || matrix.x == 'a'", []],
		["has(matrix.x) ? matrix.x == 'a' : matrix.os == 'l'", []],
		["has(matrix.x) && (matrix.os == 'l' || matrix.x == 'a')", []],
		["!(!has(matrix.x) || matrix.os == 'l') && matrix.x == 'a'", []],
		["matrix.?x.orValue('') == 'a' && matrix[?'x-y'].hasValue() && matrix['x-y'] == ''", []],
		["matrix.x == 'a'", ["Only some matrix jobs have `x`."]],
		["matrix.x == 'a' && has(matrix.x)", ["Only some matrix jobs have `x`."]],
		["has(matrix.x) || matrix.x == 'a'", ["Only some matrix jobs have `x`."]],
		["has(matrix.x) ? true : matrix.x == 'a'", ["Only some matrix jobs have `x`."]],
		["matrix.x-y == 'a'", ['Write matrix["x-y"].']],
		["has(matrix['x-y'])", ['Write matrix[?"x-y"].hasValue().']],
		["'x-y' in matrix", ['Write matrix[?"x-y"].hasValue().']],
		["has(run.branch)", ["has() takes a value of the matrix"]],
		["has(matrix.nope)", ["The matrix has no axis `nope`."]],
		["matrix[run.branch] == 'a'", ["The names in `matrix` are written, not computed."]],
		["run.?branch.orValue('') == ''", ["Only values of the matrix may be missing."]],
	])("of values that only some of its jobs have: %s", (condition, wanted) => {
		const found = errorsIn(`matrix: { os: [l, m], include: [{ os: m, x: a, x-y: b }] }\nif: ${JSON.stringify(condition)}\nsteps: [a]`);
		expect(found.length > 0).toBe(wanted.length > 0);
		for (const one of wanted) expect(found.join("\n")).toContain(one);
		if (wanted.length > 0) return;
		// What passes has a value for each of the jobs.
		const { jobs } = pipelineOf(`matrix: { os: [l, m], include: [{ os: m, x: a, x-y: b }] }\nif: ${JSON.stringify(condition)}\nsteps: [a]`);
		for (const { matrix } of jobs) {
			const status = { success: true, failure: false, cancelled: false };
			const run = { ...NO_RUN, branch: "b" };
			expect(typeof evaluate(condition, { run, params: {}, doubles: [], matrix: matrix ?? {}, changed: {}, needs: {}, status })).toBe(
				"boolean",
			);
		}
	});

	test.each([
		["fail-fast: true", "The axis `fail-fast` looks like the setting `fail_fast`."],
		["failFast: [true]", "looks like the setting `fail_fast`"],
		["max-parallel: 2", "looks like the setting `max_parallel`"],
		["max_paralel: '2'", "looks like the setting `max_parallel`"],
		["includes: [{ a: 1 }]", "looks like the setting `include`"],
		["excludes: [x]", "looks like the setting `exclude`"],
		["max_parallel: 0", "The number must be at least 1."],
		["job: [{ a: { b: { c: { d: 1 } } } }]", "A value of a matrix has at most 3 levels."],
		["job: [[1, 2]]", "Expected a map of values, got a list."],
		["job: [{}]", "A map of values may not be empty."],
		["job: [{ -a: 1 }]", "The name of an axis"],
	])("rejects %s", (text, error) => {
		expect(errorsIn(`matrix: { os: [l], ${text} }\nsteps: [a]`).join("\n")).toContain(error);
	});

	test("a need selects one matrix job; an unknown one is rejected with the list of those that exist", () => {
		const text = (node: string) =>
			`jobs:\n  t: { matrix: { node: [22, 24] }, steps: [a] }\n  d: { needs: [{ job: t, matrix: { node: ${node} } }], steps: [b] }`;
		expect(pipelineOf(text("24")).jobs[2]?.needs).toEqual([{ key: "t", matrix: { node: "24" } }]);
		expect(errorsIn(text("23"))[0]).toBe(
			"3:34 jobs.d.needs.0.matrix: No matrix job of `t` has node=23. (Its matrix jobs have node=22; node=24.)",
		);
		expect(
			errorsIn("jobs:\n  t: { matrix: { node: [1] }, steps: [a] }\n  d: { needs: [{ job: t, matrix: { os: x } }], steps: [b] }")[0],
		).toContain("Job `t` has no axis `os`. (Its axes are node.)");
	});
});

describe("conditions", () => {
	const errorsOf = (condition: string, more = "") =>
		errorsIn(`jobs:\n  b: { outputs: [v], steps: [a] }\n  j:\n    needs: [b]\n${more}    if: ${condition}\n    steps: [a]`);

	test.each([
		'run.branch == "main" && success()',
		'always() && needs.b.result == "failed"',
		'needs.b.outputs.v.startsWith("1.") || !failure()',
		'changed("docs/**") || changed(["src/**", "*.md"])',
		'run.event in ["api", "push"]',
		'size(run.tag) > 0 ? true : run.project != "x"',
	])("%s", (condition) => expect(errorsOf(JSON.stringify(condition))).toEqual([]));

	test.each([
		['run.brnch == "x"', "5:13 jobs.j.if: A run has no value `brnch`. (Did you mean `branch`?)"],
		["success", "5:9 jobs.j.if: `success` is a function. (Write success().)"],
		["sucess()", "5:9 jobs.j.if: Unknown function `sucess()`. (Did you mean `success`?)"],
		["params.x", "5:16 jobs.j.if: The pipeline has no parameter `x`. (There are no names here.)"],
		["needs.c.result", "5:15 jobs.j.if: This job does not need `c`. (Did you mean `b`?)"],
		["needs.b.outputs.w", "5:25 jobs.j.if: Job `b` does not declare the output `w`. (Did you mean `v`?)"],
		["needs.b.state", "5:17 jobs.j.if: A needed job has no `state`. (Known names: result, outputs.)"],
		["matrix.os == 'a'", "5:16 jobs.j.if: The matrix has no axis `os`. (There are no names here.)"],
		["1 + 1", "5:9 jobs.j.if: A condition must give true or false; this expression gives a number."],
		["run.branch > 3", "5:9 jobs.j.if: The types do not fit together: string > int"],
		["run.branch ==", "5:22 jobs.j.if: The expression ends too early"],
		["[1].map(x, x) == [1]", "5:9 jobs.j.if: Unknown function `map()`"],
		['"a".matches("(a+)+$")', "5:9 jobs.j.if: Unknown function `matches()`"],
		["{'a': 1}.a == 1", "jobs.j.if"],
		["changed(['docs/**', '[z-a]/**'])", '5:29 jobs.j.if: "[z-a]/**" is not a pattern: a range such as [a-z] goes from the lower'],
		["changed('../docs/**')", "The pattern must be inside the workspace"],
		["changed(['docs/**', run.branch])", "5:29 jobs.j.if: changed() takes patterns in quotes, no other values."],
		['needs.b.result == "failure"', '5:27 jobs.j.if: `needs.b.result` is never "failure". (Did you mean `failed`?)'],
		['needs.b["result"] in ["failed", "canceled"]', '`needs.b.result` is never "canceled". (Did you mean `cancelled`?)'],
		['"psh" != run.event', '5:9 jobs.j.if: `run.event` is never "psh". (Did you mean `push`?)'],
		['run.event == "dawn"', "(Known names: api, push, tag, pull_request, merge_group, schedule, manual, exec.)"],
		['run.branch = "x"', "5:20 jobs.j.if: Unexpected character: =. (Write `==` instead of `=`.)"],
		['run.branch == "x" and success()', "(Write `&&` instead of `and`.)"],
		["success() or failure()", "(Write `||` instead of `or`.)"],
		["not success()", "(Write `!` instead of `not`.)"],
		["size(1, 2, 3, 4, 5) == 1", "A function takes at most 4 arguments"],
		["${{ success() }}", "jobs.j.if: A condition is an expression without braces. Remove ${{ and }}."],
		["changed([])", "changed() needs at least one pattern"],
		["changed(run.branch)", "changed() takes patterns in quotes, no other values."],
	])("%s is rejected where it is wrong", (condition, message) =>
		expect(errorsOf(JSON.stringify(condition)).join("\n")).toContain(message.replace(/^5:(\d+)/, (_, column) => `5:${Number(column) + 1}`)),
	);

	test("an error within a block of text is reported at its own line", () => {
		const text = (more: string) => `jobs:\n  j:\n    if: |\n${more}      run.branch == "x" &&\n        run.brnch == "y"\n    steps: [a]`;
		expect(errorsIn(text(""))).toEqual(["5:13 jobs.j.if: A run has no value `brnch`. (Did you mean `branch`?)"]);
		expect(errorsIn(text("\n"))[0]).toMatch(/^6:13 /);
		expect(errorsIn("env:\n  A: |\n    ${{ 1 }}\n    ${{ nope }}\nsteps: [a]")[0]).toMatch(/^4:9 env.A: Unknown name `nope`/);
	});

	test("a YAML bomb is rejected at once", () => {
		expect(errorsOf(JSON.stringify(`${"(".repeat(400)}true${")".repeat(400)}`))[0]).toContain(
			"An expression is nested at most 20 levels deep",
		);
		expect(errorsOf(JSON.stringify(Array.from({ length: 120 }, () => "true").join("&&")))[0]).toContain(
			"An expression has at most 200 parts",
		);
		expect(errorsOf(JSON.stringify(`"${"x".repeat(1100)}" == ""`))[0]).toContain("at most 1000 characters");
	});

	test("a submission's image is no place for expressions", () => {
		expect(errorsIn('{"run": "x", "container": "${{ ( }}"}')[0]).toContain("Expressions in ${{ }} are not possible here");
	});

	test("outputs of a job with several variants are nobody's", () => {
		const text =
			'jobs:\n  b: { matrix: { n: [1, 2] }, outputs: [v], steps: [a] }\n  j: { needs: b, if: needs.b.outputs.v == "1", steps: [a] }';
		expect(errorsIn(text)[0]).toContain("`b` has several matrix jobs");
	});

	test("what has changed is matched once, when it is submitted, and `!` excludes", () => {
		const text = `if: changed("docs/**") && changed(["**", "!docs/**"])\nenv: { A: "\${{ changed(['src/*.ts']) }}" }\nsteps: [a]`;
		expect(pipelineOf(text).changed).toEqual({});
		expect(job(text)?.env).toEqual({ A: "true" });
		const docs = pipelineOf(text, { changed: ["docs/a/b.md"] });
		expect(docs.changed).toEqual({ "docs/**": true, '["**","!docs/**"]': false, "src/*.ts": false });
		expect(docs.jobs[0]?.env).toEqual({ A: "false" });
		expect(job(text, { changed: ["src/x.ts"] })?.env).toEqual({ A: "true" });
	});

	test.each([
		["{ os: mac }", "{ os: [linux, mac], include: [{ os: linux, extra: x }] }", []],
		["{ os: linux, extra: x }", "{ os: [linux, mac], include: [{ os: linux, extra: x }] }", []],
		["{ v: 1 }", "{ os: [linux, mac], v: [1, 2], exclude: [{ os: mac, v: 1 }] }", []],
		["{ os: linux }", "{ os: [linux, mac], v: [1, 2] }", [expect.stringContaining("`b` has several matrix jobs")]],
		["{ os: mac }", '{ os: [linux, "${{ run.branch }}"] }', []],
		["{ v: 1 }", '{ os: [linux, "${{ run.branch }}"], v: [1, 2] }', [expect.stringContaining("`b` has several matrix jobs")]],
	])("outputs of the only variant that %s selects of %s", (selected, matrix, expected) => {
		const text = `jobs:\n  b: { matrix: ${matrix}, outputs: [v], steps: [a] }\n  j: { needs: { job: b, matrix: ${selected} }, if: needs.b.outputs.v == "1", steps: [a] }`;
		expect(errorsIn(JSON.stringify({ pipeline: text, branch: "mac" }))).toEqual(expected);
	});

	test("what is too much to look through counts as changed", () => {
		const text = `if: ${[..."abc"].map((letter) => `changed([${Array.from({ length: 50 }, (_, index) => `'${letter}${index}'`)}])`).join("||")}\nsteps: [a]`;
		const changed = Array.from({ length: 4000 }, (_, index) => `other${index}`);
		expect(Object.values(pipelineOf(text, { changed: changed.slice(0, 3000) }).changed)).toEqual([false, false, false]);
		expect(pipelineOf(text, { changed }).changed).toEqual({});
	});

	test("what an earlier version has looked up counts", () => {
		const scope = { run: {}, params: {}, doubles: [], matrix: {}, changed: { a: true, b: false }, needs: {}, status: {} };
		const isChanged = (condition: string) => evaluate(condition, scope as never);
		expect([`changed("a")`, `changed("b")`, `changed(["b", "a"])`, `changed("c")`].map(isChanged)).toEqual([true, false, true, true]);
	});
});

describe("expressions in texts", () => {
	test("what is known is filled in; what speaks of needed jobs stays for later", () => {
		const text =
			'params: { p: { default: "${x}" }, n: { type: integer, default: 3 } }\njobs:\n  a: { outputs: [v], steps: [x] }\n  b:\n    needs: a\n    env: { P: "${{ params.p }}", N: "${{ params.n + 1 }}", B: \'${{ run.branch == "m" ? "yes" : "no" }}\', V: "v${{ needs.a.outputs.v }}" }\n    steps: [x]';
		expect(pipelineOf(text, { branch: "m" }).jobs[1]?.env).toEqual({
			P: "${x}",
			N: "4",
			B: "yes",
			V: { template: "v${{ needs.a.outputs.v }}" },
		});
	});

	test.each([
		["steps: ['echo ${{ params.x }}']", "1:9 steps.0.run: Expressions in ${{ }} are not possible in a command"],
		["timeout: ${{ 1 }}m\nsteps: [a]", "Expressions in ${{ }} are not possible here"],
		['env: { A: "${{ }}" }\nsteps: [a]', "1:12 env.A: ${{ }} has no expression"],
		['env: { A: "x${{ 1" }\nsteps: [a]', "1:13 env.A: ${{ is not closed. (Close it with }}, or write $${{ for a literal ${{.)"],
		['env: { A: "${{ success() }}" }\nsteps: [a]', "1:16 env.A: success(), failure(), always() and cancelled() can be used only in `if`."],
		['env: { A: "${{ [1] }}" }\nsteps: [a]', "This expression gives no single value"],
		["jobs: { a: { steps: [x] }, b: { needs: a, name: '${{ needs.a.result }}', steps: [x] } }", "jobs.b.name: `needs` cannot be used here"],
		["jobs: { a: { steps: [x] }, b: { needs: a, runs_on: ['${{ needs.a.result }}'], steps: [x] } }", "`needs` cannot be used here"],
		["runs_on: ['${{ 1 + 1 }} x']\nsteps: [a]", "expected a label"],
		["params: { v: { default: newest } }\nruns_on: { tools: { node: '${{ params.v }}' } }\nsteps: [a]", "not a range of versions"],
		[
			"params: { n: { default: many } }\nruns_on: { cores: '${{ params.n }}' }\nsteps: [a]",
			'2:19 runs_on.cores: "many": The value must be a whole number from 1 to 4096.',
		],
		["runs_on: { arch: '${{ params.nosuch }}' }\nsteps: [a]", "The pipeline has no parameter `nosuch`."],
		["container: 'Bad Image'\nsteps: [a]", "The image must be a name such as"],
		["params: { i: { default: 'x;rm -rf /' } }\ncontainer: '${{ params.i }}'\nsteps: [a]", 'The expression gives "x;rm -rf /"'],
	])("%s", (text, message) => expect(errorsIn(text).join("\n")).toContain(message));
});

describe("the expressions of a pipeline are counted before they are worked out", () => {
	const env = (count: number, expression = "1") =>
		JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, index) => [`V${index}`, `\${{ ${expression} }}`])));
	const variants = (count: number) => `matrix: { a: [${Array.from({ length: count }, (_, index) => `v${index}`)}] }`;

	test.each([
		[`env: ${env(3001)}\nsteps: [a]`, "A pipeline has at most 3000 expressions; this one has 3001"],
		[`env: ${env(1600, `"${"x".repeat(100)}"`)}\nsteps: [a]`, "A pipeline has at most 3000 expressions; this one has 3200"],
		[
			`${variants(101)}\nsteps: [{ run: a, env: ${env(100)} }]`,
			"A pipeline evaluates at most 10000 expressions; with all matrix jobs this one has 10100.",
		],
	])("%#", (text, message) => expect(errorsIn(text)).toEqual([expect.stringContaining(message)]));

	test("as many as that are taken, those for every job once", () => {
		expect(errorsIn(`${variants(100)}\nsteps: [{ run: a, env: ${env(100)} }]`)).toEqual([]);
		expect(errorsIn(`env: ${env(100)}\njobs: { a: { ${variants(250)}, steps: [x] } }`)).toEqual([]);
	});
});

describe("parameters", () => {
	const text =
		'params:\n  s: { type: string, pattern: "[a-z]+", default: abc }\n  i: { type: integer, required: true, description: how many }\n  n: { type: number, default: 1.5 }\n  b: { type: boolean }\n  c: { type: choice, options: [x, z], default: z }\nenv: { ALL: "${{ params.s }} ${{ params.i }} ${{ params.n }} ${{ params.b }} ${{ params.c }}" }\nsteps: [a]';
	const given = (params: object) => errorsIn(JSON.stringify({ pipeline: text, params }));

	test("defaults, and what was given as text, as forms do", () => {
		expect(job(text, { params: { i: 2 } })?.env).toEqual({ ALL: "abc 2 1.5 false z" });
		expect(job(text, { params: { s: "q", i: "7", n: "0.5", b: "true", c: "x" } })?.env).toEqual({ ALL: "q 7 0.5 true x" });
	});

	test("a number is a double in expressions, an integer an integer, whatever their values", () => {
		const numbers =
			'params: { n: { type: number, default: 1 }, i: { type: integer, default: 3 } }\nenv: { N: "${{ params.n + 0.5 }} ${{ params.n / 4.0 }} ${{ params.n }}", I: "${{ params.i / 2 }}" }\nsteps: [a]';
		expect(job(numbers)?.env).toEqual({ N: "1.5 0.25 1", I: "1" });
		expect(job(numbers, { params: { n: "2", i: "5" } })?.env).toEqual({ N: "2.5 0.5 2", I: "2" });
	});

	test("what is missing, of the wrong type, not an option, not matching, not there", () => {
		expect(given({})).toEqual([expect.stringContaining("params.i: Required parameter `i` is missing. (how many)")]);
		const all = given({ s: "UP", i: "x", n: "", b: "perhaps", c: "w", nosuch: 1 }).join("\n");
		for (const part of [
			'params.s: "UP" does not match the pattern [a-z]+',
			'params.i: Expected a whole number, got text "x"',
			'params.n: Expected a number, got text ""',
			'params.b: Expected true or false, got text "perhaps"',
			'params.c: "w" is not one of the options: x, z',
			"params.nosuch: Unknown parameter `nosuch`. (The parameters are s, i, n, b, c.)",
		])
			expect(all).toContain(part);
	});

	test("a pattern takes linear time, whatever it is", () => {
		const bomb = 'params: { p: { pattern: "(a+)+$" } }\nsteps: [a]';
		expect(errorsIn(JSON.stringify({ pipeline: bomb, params: { p: `${"a".repeat(4000)}!` } }))[0]).toContain("does not match");
	});

	test.each([
		["params: { p: { type: choice } }\nsteps: [a]", "A parameter of type `choice` needs `options`."],
		["params: { p: { type: integer, default: x } }\nsteps: [a]", "Expected a whole number"],
		["params: { p: { options: [a] } }\nsteps: [a]", "Only a parameter of type `choice` has `options`."],
		['params: { p: { pattern: "(" } }\nsteps: [a]', "is not a regular expression in RE2 syntax"],
		["params: { p: { type: integer, pattern: a } }\nsteps: [a]", "Only a parameter of type `string` has a `pattern`."],
		["params: { p: { required: true, default: a } }\nsteps: [a]", "is never missing"],
	])("%s", (text, message) => expect(errorsIn(text)[0]).toContain(message));

	test("lint takes the defaults where a required one is missing", () => {
		expect(lintPipeline(text)).toMatchObject({ valid: true, jobs: [{ key: "main" }] });
		expect(lintPipeline("steps: [a")).toMatchObject({ valid: false, errors: [{ line: 1 }] });
	});
});

describe("what depends on a required parameter is not validated without it", () => {
	const head =
		"params: { v: { required: true }, n: { type: integer, required: true }, c: { type: choice, options: [a], required: true } }\n";
	const lint = (text: string) => lintPipeline(head + text).errors.map(({ message }) => message);

	test.each([
		'container: "node:${{ params.v }}"\nsteps: [a]',
		'concurrency: "${{ params.v }}"\nsteps: [a]',
		'runs_on: ["${{ params.v }}"]\nsteps: [a]',
		'steps: [{ build: { tags: "${{ params.v }}", cache: "${{ params.v }}" } }]',
		'env: { A: "${{ 10 / params.n }}" }\nif: 10 / params.n > 1\nsteps: [a]',
		'matrix: { os: ["${{ params.v }}", "${{ params.c }}"], exclude: [{ os: linux }] }\nruns_on: "on-${{ matrix.os }}"\ncontainer: "img:${{ matrix.os }}"\nsteps: [a]',
		'jobs:\n  b: { matrix: { os: ["${{ params.v }}", mac] }, artifacts: { save: f }, steps: [x] }\n  c: { needs: { job: b, matrix: { os: linux } }, artifacts: { fetch: { job: b, matrix: { os: linux } } }, steps: [x] }',
		'jobs:\n  b: { matrix: { os: [linux, mac] }, artifacts: { save: f }, steps: [x] }\n  c: { needs: b, matrix: { os: ["${{ params.v }}"] }, artifacts: { fetch: { job: b, matrix: { os: "${{ matrix.os }}" } } }, steps: [x] }',
		'jobs:\n  b: { matrix: { os: [linux, mac] }, artifacts: { save: f }, steps: [x] }\n  c: { needs: b, artifacts: { fetch: { job: b, matrix: { os: "${{ params.v }}" } } }, steps: [x] }',
	])("%s", (text) => {
		expect(lint(text)).toEqual([]);
		expect(lintPipeline(head + text).jobs).not.toEqual([]);
	});

	test("but its type is, and all that does not depend on it", () => {
		expect(lint('env: { A: "${{ params.v + 1 }}" }\nsteps: [a]')).toEqual(["The types do not fit together: string + int."]);
		expect(lint('env: { A: "${{ 1 / 0 }} ${{ params.v }}" }\nruns_on: ["a b"]\nsteps: [a]')).toEqual([
			expect.stringContaining("expected a label"),
		]);
		const given = (params: object) =>
			errorsIn(JSON.stringify({ pipeline: `${head}container: "node:\${{ params.v }}"\nsteps: [a]`, params }));
		expect(given({ n: 1, c: "a" })).toEqual([expect.stringContaining("params.v: Required parameter `v` is missing")]);
		expect(given({ v: "", n: 1, c: "a" })).toEqual([expect.stringContaining("The image must be a name such as")]);
	});
});

describe("what jobs say of each other", () => {
	test.each([
		[
			"jobs: { a: { steps: [x] }, b: { artifacts: { fetch: a }, steps: [x] } }",
			"Job `a` may not have run before this job, which does not need it. (Add needs: [a].)",
		],
		["jobs: { a: { steps: [x] }, b: { needs: a, artifacts: { fetch: a }, steps: [x] } }", "Job `a` saves no artifacts."],
		["jobs: { a: { steps: [x] }, b: { needs: a, artifacts: { fetch: c }, steps: [x] } }", "Unknown job `c` in `artifacts.fetch`."],
	])("%s", (text, message) => expect(errorsIn(text)[0]).toContain(message));

	test("files are fetched from variants that are needed: from none that may still run", () => {
		const text = (needs: string, fetch: string) =>
			`jobs:\n  b: { matrix: { os: [linux, mac], v: [1, 2], exclude: [{ os: mac, v: 2 }] }, artifacts: { save: f }, steps: [x] }\n  c: { needs: { job: b, matrix: { os: mac } }, steps: [x] }\n  d: { needs: ${needs}, artifacts: { fetch: ${fetch} }, steps: [x] }`;
		expect(errorsIn(text("{ job: b, matrix: { os: linux, v: 1 } }", "b"))).toEqual([
			"4:76 jobs.d.artifacts.fetch.0: Matrix job os=linux, v=2 of `b` may still run when its files are fetched: this job does not need it. (Add it to `needs`, or fetch only from needed matrix jobs: { job: …, matrix: { … } }.)",
		]);
		expect(errorsIn(text("{ job: b, matrix: { os: linux, v: 1 } }", "{ job: b, matrix: { v: 1 } }"))[0]).toContain(
			"Matrix job os=mac, v=1 of `b`",
		);
		for (const [needs, fetch] of [
			["b", "b"],
			["{ job: b, matrix: { os: linux, v: 1 } }", "{ job: b, matrix: { os: linux, v: 1 } }"],
			["[c, { job: b, matrix: { os: linux } }]", "b"],
			["c", "{ job: b, matrix: { os: mac } }"],
		] as const)
			expect(errorsIn(text(needs, fetch))).toEqual([]);
	});

	test("a variant may fetch from the one that has its values, where it needs all of them", () => {
		const text = (needs: string) =>
			`jobs:\n  b: { matrix: { os: [a, b] }, artifacts: { save: f }, steps: [x] }\n  d: { needs: ${needs}, matrix: { os: [a, b] }, artifacts: { fetch: { job: b, matrix: { os: "\${{ matrix.os }}" } } }, steps: [x] }`;
		expect(errorsIn(text("b"))).toEqual([]);
		expect(errorsIn(text("{ job: b, matrix: { os: a } }"))).toEqual([expect.stringContaining("Matrix job os=b of `b` may still run")]);
	});

	test("a fetch by way of another job is a need as well", () => {
		const text =
			"jobs: { a: { artifacts: { save: x }, steps: [x] }, b: { needs: a, steps: [x] }, c: { needs: b, artifacts: { fetch: { job: a, into: in } }, steps: [x] } }";
		expect(pipelineOf(text).jobs[2]?.artifacts.fetch).toEqual([{ key: "a", matrix: null, paths: [], into: "in" }]);
	});
});

describe("values", () => {
	test.each([
		[
			"retry: { attempts: 2, on: [lost], exit_codes: [1] }\nsteps: [a]",
			"`exit_codes` are those of failed attempts, and `on` does not have `failed`.",
		],
		["concurrency: { group: g, limit: 2, cancel_in_progress: true }\nsteps: [a]", "needs a `limit` of 1"],
		["concurrency: '${{ params.x }}'\nsteps: [a]", "The pipeline has no parameter `x`."],
		["approval: { roles: [owner] }\nsteps: [a]", 'Unknown value: text "owner". (Write one of: maintainer, admin, operator.)'],
		["approval: { count: 0 }\nsteps: [a]", "1:20 approval.count"],
		["approval: { users: [] }\nsteps: [a]", "1:20 approval.users"],
		["approval: { timeout: 40d }\nsteps: [a]", "The longest wait for an approval is 30d"],
		["runs_on: { memory: lots }\nsteps: [a]", "is not a size. Write 512MiB or 8GiB."],
		["runs_on: { tools: { node: newest } }\nsteps: [a]", "not a range of versions"],
		["runs_on: { lables: [a] }\nsteps: [a]", "Unknown key `lables` in `runs_on`. (Did you mean `labels`?)"],
		["steps: [{ name: x }]", "A step needs `run` or `build`."],
		["steps: [{ run: a, build: { tags: t } }]", "A step has either `run` or `build`, not both."],
		["steps: [{ build: { tags: t }, shell: sh }]", "A step that builds an image takes no `shell`."],
		[
			"services: { db: postgres }\nsteps: [a]",
			"1:17 services.db: A job on the host reaches a service through its ports, and this one has none.",
		],
		["services: { db: { image: a, ports: [0] } }\nsteps: [a]", "A port is a number such as 5432"],
		["services: { db: { image: a, ports: [70000] } }\nsteps: [a]", "A port is a number such as 5432"],
		["services: { db: { image: a, ports: ['5432/udp'] } }\nsteps: [a]", "Its protocol is TCP."],
		[
			"container: c\nservices: { db: { image: a, ports: ['5:5'] } }\nsteps: [a]",
			"2:36 services.db.ports: A job in a container reaches its services by their names",
		],
		["container: { image: a, tools: { python: newest } }\nsteps: [a]", "not a range of versions"],
		["container: { image: a, tools: { python: '${{ matrix.nope }}' } }\nsteps: [a]", "nope"],
		["matrix: { v: [newest] }\ncontainer: { image: a, tools: { python: '${{ matrix.v }}' } }\nsteps: [a]", "not a range of versions"],
		["container: { image: a, tools: { 'rm -rf': '*' } }\nsteps: [a]", "The name of a tool has lower-case letters"],
		["container: { image: a, options: { network: none } }\nservices: { db: b }\nsteps: [a]", "this container has none"],
		["steps: [{ build: { tags: t, args: { DOCKER_HOST: x } } }]", "Docker would take this name as one of its settings"],
		[
			"defaults: { container: { image: a, options: { network: none } } }\njobs: { j: { services: { db: b }, steps: [a] } }",
			"2:24 jobs.j.services: A job reaches its services through a network, and the container of `defaults` has none. (Give the job a container of its own.)",
		],
		...["src", "/", "//", "/src:ro", "/windlass", "/windlass/files", "/a/../windlass", "/a/./b"].map((workdir): [string, string] => [
			`container: { image: a, workdir: "${workdir}" }\nsteps: [a]`,
			"must be a folder in the container, such as /src",
		]),
		...["0", "0.0", "0.001", "1e3"].map((cpus): [string, string] => [
			`container: { image: a, options: { cpus: "${cpus}" } }\nsteps: [a]`,
			"must be a number of at least 0.01",
		]),
		["container: { image: a, options: { memory: 0m } }\nsteps: [a]", "The size must be a number with a unit, such as 512m."],
		['container: "${{ ( }}"\nsteps: [a]', "The expression ends too early"],
		["container: { image: a, volumes: ['/etc:/etc'] }\nsteps: [a]", "Folders of the agent are never mounted"],
		...[
			"/workspace",
			"/workspace/",
			"//workspace",
			"/workspace/x:ro",
			"/a/../workspace/.",
			"/..",
			"/windlass",
			"/windlass/../windlass/files",
		].map((place): [string, string] => [
			`container: { image: a, volumes: ["v:${place}"] }\nsteps: [a]`,
			"1:34 container.volumes.0: The volume would be mounted over /w",
		]),
		[
			"container: { image: a, workdir: /src/app, volumes: ['v:/ok', 'v:/src'] }\nsteps: [a]",
			"container.volumes.1: The volume would be mounted over /src/app",
		],
		[
			"defaults: { container: { image: a, volumes: ['v:/workspace'] } }\nsteps: [a]",
			"defaults.container.volumes.0: The volume would be mounted over",
		],
		["reports: { coverage: { lcov: a, go: b } }\nsteps: [a]", "needs one of `lcov`, `cobertura` and `go`"],
		["reports: { allow_empty: true }\nsteps: [a]", "names no report. Write one of junit, go_test, tap"],
		["reports: { retries: fail, coverage: { go: b } }\nsteps: [a]", "reports.retries: `retries` needs a test report"],
		["secrets: { T: 'a b' }\nsteps: [a]", "the name of a secret"],
		["secrets: { CI_T: t }\nsteps: [a]", "Windlass sets CI and CI_*"],
		["env: { T: x }\nsecrets: { T: t }\nsteps: [a]", "is set in `secrets` and in `env`"],
		["jobs: { a: { secrets: { T: t }, steps: [{ run: a, env: { T: x } }] } }", "is set in `secrets` and in `env`"],
		["secrets: { T: t }\nsteps: [{ build: { tags: a } }]", "Only scripts see secrets"],
		["outputs: ['a b']\nsteps: [a]", "The name of an output"],
		["retry: { attempts: 2, on: [] }\nsteps: [a]", "1:27 retry.on: The list must have at least 1 item."],
		[`name: ${"x".repeat(300)}\nsteps: [a]`, "name: The name has at most 200 characters."],
		["artifacts: { save: ['f', '[z-a]'] }\nsteps: [a]", '1:26 artifacts.save.1: "[z-a]" is not a pattern'],
		["artifacts: { save: '!../x' }\nsteps: [a]", "The pattern must be inside the workspace"],
		[
			"jobs: { a: { artifacts: { save: f }, steps: [x] }, b: { needs: a, artifacts: { fetch: { job: a, paths: '[z-a]' } }, steps: [x] } }",
			'"[z-a]" is not a pattern',
		],
	])("%s", (text, message) => expect(errorsIn(text).join("\n")).toContain(message));

	test("tools of an image may come from the matrix", () => {
		const text =
			"matrix: { v: ['3.12', '3.13'] }\ncontainer: { image: 'p:${{ matrix.v }}', tools: { python: '${{ matrix.v }}.x' } }\nsteps: [a]";
		const { jobs } = parseSubmission(text).pipeline;
		expect(jobs.map(({ container }) => container?.tools)).toEqual([{ python: "3.12.x" }, { python: "3.13.x" }]);
	});

	test("options of a container are taken as they are meant", () => {
		const options = 'options: { init: True, read_only: FALSE, cpus: "0.5", memory: 64M }';
		const { container } = pipelineOf(`container: { image: a, workdir: /windlass-src/, ${options} }\nsteps: [a]`).jobs[0] ?? {};
		expect(container).toMatchObject({
			workdir: "/windlass-src/",
			options: { init: true, read_only: false, cpus: "0.5", memory: "64M" },
		});
	});

	test.each([
		["retry: yes", "1:8 retry: Expected a map, got text yes. (Write `true` or `false` for a truth value.)"],
		["artifacts: on", "1:12 artifacts: Expected a map, got text on. (Write `true` or `false` for a truth value.)"],
		["source: 1.10", "1:9 source: Expected a map, got number 1.10."],
		["matrix: yes", "1:9 matrix: Expected a map, got text yes. (Write `true` or `false` for a truth value.)"],
		["approval: yes", "1:11 approval: Expected a map, got text yes. (Write `true` or `false` for a truth value.)"],
		["fail_fast: yes", "1:12 fail_fast: Expected true or false, got text yes. (Write `true` or `false` for a truth value.)"],
		["reports: { coverage: off }", "1:22 reports.coverage: Expected a map, got text off. (Write `true` or `false` for a truth value.)"],
		["services: { db: 1.10 }\ncontainer: x", '1:17 services.db.image: 1.10 is ambiguous as text. Quote it: "1.10".'],
	])("%s is no map", (text, message) => expect(errorsIn(`${text}\nsteps: [a]`)).toEqual([message]));

	test("approval is asked for, or not, in every spelling of true and false", () => {
		const approvals = ["true", "True", "{}", "false", "False"].map((said) => job(`approval: ${said}\nsteps: [a]`)?.approval !== null);
		expect(approvals).toEqual([true, true, true, false, false]);
	});

	test("everything survives being stored, and what an earlier version stored is read", () => {
		const { pipeline } = parseSubmission("container: a\nservices: { db: b }\nsteps: [x, { build: { tags: t } }]");
		expect(readDefinition(JSON.stringify(pipeline))).toEqual(pipeline);
		const old = {
			name: "p",
			source: null,
			priority: 0,
			jobs: [
				{ key: "a", name: "a", needs: ["b"], runs_on: ["linux"], env: {}, timeout_ms: 1, retry: null, steps: [], artifacts: { save: [] } },
			],
		};
		expect(readDefinition(JSON.stringify(old)).jobs[0]).toMatchObject({
			needs: [{ key: "b", matrix: null }],
			runs_on: { labels: ["linux"] },
			condition: null,
			artifacts: { save: [], fetch: [] },
		});
	});

	describe("the JSON schema for editors says the same", () => {
		const isTaken = new Ajv2020({ strict: false }).compile(pipelineJsonSchema());
		const examples = new URL("../../examples/pipelines/", import.meta.url);
		const guide = readFileSync(new URL("../../docs/reference/pipeline.md", import.meta.url), "utf8");
		const texts = [
			...readdirSync(examples).map((name) => [name, readFileSync(new URL(name, examples), "utf8")]),
			...[...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text], index) => [`the guide's ${index + 1}`, text]),
			...[
				"{ jobs: { a: { steps: [b] }, c: { needs: a, steps: [d] } } }",
				"{ jobs: { a: { artifacts: { save: f }, steps: [b] }, c: { needs: { job: a }, artifacts: { fetch: { job: a } }, steps: [{ build: { tags: d } }] } } }",
				"{ matrix: { node: 24 }, steps: [b] }",
				"{ matrix: { tags: ['', slow] }, steps: [b] }",
				"{ templates: { t: { steps: [a] } }, jobs: { a: { extends: t } } }",
				"{ env: { SHORT: '${{ run.sha.substring(0, 8) }}' }, steps: [b] }",
				"{ runs_on: a, steps: [b] }",
			].map((text) => [text, text]),
		];
		test.each(texts)("what is taken: %s", (_, text) => {
			expect(lintPipeline(text ?? "").errors).toEqual([]);
			isTaken(parseYaml(text ?? ""));
			expect(isTaken.errors ?? []).toEqual([]);
		});

		test.each([
			"{ steps: [a], step: b }",
			"{ retry: { attempts: 99 }, steps: [a] }",
			"{ jobs: { a: { needs: { jobs: b }, steps: [c] } } }",
			"{ jobs: { a: { env: { A: b } } } }",
		])("rejects %s", (text) => {
			expect(errorsIn(JSON.stringify({ pipeline: text }))).not.toEqual([]);
			expect(isTaken(parseYaml(text))).toBe(false);
		});
	});
});

test("patterns of paths", () => {
	const paths = ["a", "b.md", "docs/a.md", "docs/deep/b.txt", "src/x.ts", "src/.hidden"];
	const named = (...patterns: string[]) => paths.filter(pathMatcher(patterns));
	expect(named("docs")).toEqual(["docs/a.md", "docs/deep/b.txt"]);
	expect(named("./docs/", "a")).toEqual(["a", "docs/a.md", "docs/deep/b.txt"]);
	expect(named("**/*.md")).toEqual(["b.md", "docs/a.md"]);
	expect(named("*.md")).toEqual(["b.md"]);
	expect(named("docs/**", "!docs/deep/**")).toEqual(["docs/a.md"]);
	expect(named("src/*")).toEqual(["src/x.ts", "src/.hidden"]);
	expect(named("{a,src/[w-y].ts,?.md}")).toEqual(["a", "b.md", "src/x.ts"]);
	expect(named("**")).toEqual(paths);
	expect(named("[", "{", "a+", "(x")).toEqual([]);
	expect(named("[!]]", "[!a", "[^]")).toEqual(["a"]);
	expect(named("[z-a]", "a")).toEqual(["a"]);
	expect(named("**", "![z-a]")).toEqual(paths);
	expect(pathMatcher([`${"*a".repeat(40)}*b`])("a".repeat(1000))).toBe(false);
});

test("requirements: the first thing that an agent unmet", () => {
	const agent = {
		labels: ["linux"],
		capabilities: {
			...NO_CAPABILITIES,
			os: "linux",
			arch: "x64",
			cores: 4,
			memory: 8 * 1024 ** 3,
			disk: 1024 ** 3,
			tools: { node: "22.3.0", go: "1.24", odd: "unknown", java: "17.0.15" },
		},
	};
	const unmet = (runsOn: string) => firstUnmetRequirement(job(`runs_on: ${runsOn}\nsteps: [a]`)?.runs_on as never, agent);
	expect(unmet("linux")).toBeNull();
	expect(
		unmet(
			"{ labels: [linux], os: linux, arch: x64, cores: 4, memory: 8GiB, disk: 1GiB, tools: { node: '>=22', go: 1.24.x, odd: '*', java: '17' } }",
		),
	).toBeNull();
	expect(unmet("[linux, gpu]")).toBe("has no label gpu");
	expect(unmet("{ os: darwin }")).toBe("runs linux, not darwin");
	for (const os of ["macos", "Darwin", "osx"]) expect(unmet(`{ os: ${os} }`)).toBe("runs linux, not darwin");
	expect(unmet("{ os: Windows }")).toBe("runs linux, not win32");
	expect(unmet("{ arch: arm64 }")).toBe("is x64, not arm64");
	expect(unmet("{ os: Linux, arch: AMD64 }")).toBeNull();
	expect(unmet("{ arch: aarch64 }")).toBe("is x64, not arm64");
	expect(unmet("{ cores: 5 }")).toBe("has 4 of 5 cores");
	expect(unmet("{ memory: 9GiB }")).toBe("has 8 GiB of 9 GiB memory");
	expect(unmet("{ disk: 2GiB }")).toBe("had 1 GiB of 2 GiB free disk");
	expect(unmet("{ gpus: 1 }")).toBe("has 0 of 1 GPUs");
	expect(unmet("{ container: true }")).toBe("has no container runtime");
	expect(unmet("{ tools: { rust: '*' } }")).toBe("has no rust");
	expect(unmet("{ tools: { node: '>=24' } }")).toBe("has node 22.3.0, not >=24");
	expect(unmet("{ tools: { odd: '>=1' } }")).toBe("has odd unknown, not >=1");
	expect(describeRequirements(job("runs_on: { labels: [gpu], tools: { go: '*' }, memory: 1GiB }\nsteps: [a]")?.runs_on as never)).toEqual([
		"gpu",
		"1 GiB memory",
		"go",
	]);
});
