import { describe, expect, test } from "vitest";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { nearest } from "../../schema/text/nearest_word.ts";
import { formatDuration, parseDuration } from "../../schema/wire/duration.ts";
import type { ApiError, FieldError } from "../../schema/wire/errors.ts";

/** The errors of a text: place, path, message, suggestion. */
function errorsIn(text: string): [number | null, number | null, string, string, string | null][] {
	try {
		parseSubmission(text);
	} catch (error) {
		const { details } = error as ApiError;
		return (details.errors as FieldError[]).map(({ line, column, path, message, suggestion }) => [line, column, path, message, suggestion]);
	}
	return [];
}

const jobOf = (text: string) => parseSubmission(text).pipeline.jobs[0];

describe("defaults", () => {
	test("of the smallest pipeline", () => {
		expect(parseSubmission("steps: [make]")).toEqual({
			project: "adhoc",
			pipeline: {
				name: "pipeline",
				is_command: false,
				is_partial: false,
				is_beside_push: false,
				source: null,
				branch: null,
				pull_request: null,
				sha: null,
				base_sha: null,
				merge_target: null,
				params: {},
				doubles: [],
				changed: {},
				priority: 0,
				timeout_ms: null,
				fail_fast: false,
				concurrency: null,
				notify: [],
				replaces: null,
				placeholders: {},
				includes: [],
				jobs: [
					{
						key: "main",
						name: "main",
						matrix: null,
						needs: [],
						condition: null,
						runs_on: { labels: [] },
						container: null,
						services: [],
						env: {},
						timeout_ms: 3_600_000,
						secrets: {},
						idle_timeout_ms: null,
						retry: null,
						allow_failure: false,
						fail_fast: false,
						max_parallel: null,
						concurrency: null,
						approval: null,
						outputs: [],
						steps: [
							{
								...{ name: "make", id: null, condition: null, asks_for_status: false, run: "make", env: {}, working_directory: null },
								...{ shell: "bash", timeout_ms: null, build: null, continue_on_error: false, retry: null, group: null },
							},
						],
						finally: null,
						artifacts: { save: [], entries: [], fetch: [] },
						reports: null,
						caches: [],
						build_caches: [],
						discovery: null,
						added_by: null,
						expansion: null,
						lists_refs: false,
					},
				],
			},
		});
	});

	test("a job's own word wins over the pipeline's defaults, a submission's over both", () => {
		const text =
			"defaults: { runs_on: a, timeout: 1m, retry: { attempts: 2 }, shell: sh }\njobs: { one: { runs_on: [b], timeout: 2m, steps: [x, { run: z, shell: bash }] } }";
		expect(jobOf(text)).toMatchObject({
			runs_on: { labels: ["b"] },
			timeout_ms: 120_000,
			retry: { attempts: 2, on: ["failed", "errored", "timed_out", "lost"] },
			steps: [{ shell: "sh" }, { shell: "bash" }],
		});
		const submission = parseSubmission(
			JSON.stringify({ pipeline: text, runs_on: "c", priority: 3, project: "p", source: { git: "/repo" } }),
		);
		expect(submission).toMatchObject({
			project: "p",
			pipeline: { priority: 3, source: { git: "/repo", ref: null }, jobs: [{ runs_on: { labels: ["c"] } }] },
		});
	});
});

test("how much of a repository is checked out can be checked without one, and is rejected where the pipeline is to be run", () => {
	const text = "source: { depth: full, submodules: false }\nsteps: [make]";
	expect(parseSubmission(text, { isComplete: false }).pipeline.source).toBeNull();
	expect(errorsIn(text)).toEqual([[1, 9, "source", expect.stringContaining("names no repository"), expect.any(String)]]);
	const repository = { address: "https://git.lan/web.git", branch: "main" };
	const checkout = { depth: "full", submodules: "none" };
	expect(parseSubmission(text, { repository }).pipeline.source).toEqual({ git: repository.address, ref: "main", checkout });
	const tag = parseSubmission(`source: { git: ${repository.address}, ref: tags/v2 }\nsteps: [make]`).pipeline.source;
	expect(tag).toMatchObject({ ref: "refs/tags/v2" });
});

describe("rejected submissions", () => {
	test.each<[string, string, [number, number, string, string | null]]>([
		["an unknown key", "steps: [a]\nnmae: x", [2, 1, "Unknown key `nmae` in the pipeline.", "Did you mean `name`?"]],
		[
			"a key of another system",
			"jobs: { a: { steps: [a] } }\ncache: { a: [1] }",
			[2, 1, "Unknown key `cache` in the pipeline.", expect.stringContaining("Write `cache` in the job") as never],
		],
		[
			"a need that is not there",
			"jobs: { build: { steps: [a] }, test: { needs: biuld, steps: [a] } }",
			[1, 47, "Unknown job `biuld` in `needs` of job `test`.", "Did you mean `build`?"],
		],
		[
			"a circle",
			"jobs:\n  a: { needs: b, steps: [x] }\n  b: { needs: [a], steps: [x] }",
			[2, 15, "Jobs need each other in a circle: a → b → a.", "Remove one of these needs."],
		],
		[
			"a job that needs itself",
			"jobs: { a: { needs: a, steps: [x] } }",
			[1, 21, "Jobs need each other in a circle: a → a.", "Remove one of these needs."],
		],
		["a number that would change as text", "env: { V: 1.10 }\nsteps: [a]", [1, 11, '1.10 is ambiguous as text. Quote it: "1.10".', null]],
		["a word that some readers take for true", "env: { V: on }\nsteps: [a]", [1, 11, 'on is ambiguous as text. Quote it: "on".', null]],
		[
			"an expression in a command",
			"steps: ['echo ${{ params.x }}']",
			[1, 9, expect.stringContaining("not possible in a command") as never, null],
		],
		["a variable of ours", "env: { CI_X: a }\nsteps: [a]", [1, 8, expect.stringContaining("CI_*") as never, null]],
		["a timeout without a unit", "timeout: 5\nsteps: [a]", [1, 10, expect.stringContaining("not a duration") as never, null]],
		["a timeout of more than a day", "timeout: 25h\nsteps: [a]", [1, 10, "The longest timeout is 24h.", null]],
		[
			"a way out of the workspace",
			"steps: [{ run: a, working_directory: ../x }]",
			[1, 38, expect.stringContaining("inside the workspace") as never, null],
		],
		[
			"an artifact from outside",
			"artifacts: { save: [/etc/passwd] }\nsteps: [a]",
			[1, 21, expect.stringContaining("inside the workspace") as never, "Write the path from the workspace on."],
		],
		[
			"an address with a password",
			"source: { git: 'https://u:p@example.com/r' }\nsteps: [a]",
			[1, 16, expect.stringContaining("may not carry a password") as never, null],
		],
		["an address that is an option", "source: { git: --upload-pack=x }\nsteps: [a]", [1, 16, "must be a repository address", null]],
		["an unknown shell", "steps: [{ run: a, shell: bsh }]", [1, 26, 'Unknown value: text "bsh".', "Did you mean `bash`?"]],
		["no steps", "steps: []", [1, 8, "`steps` must have at least one step.", null]],
		["nothing to do", "name: x", [1, 1, "A pipeline needs `steps` or `jobs`.", "Begin with: steps: [make test]"]],
		[
			"a colon in a plain command",
			"steps:\n  - echo a: b",
			[2, 5, "Unknown key `echo a` in step 1.", expect.stringContaining("needs quotes") as never],
		],
		["an id that is none", "jobs: { 1a: { steps: [x] } }", [1, 9, "`1a` is not a job id.", expect.any(String) as never]],
	])("%s", (_, text, [line, column, message, suggestion]) => {
		expect(errorsIn(text)).toContainEqual([line, column, expect.any(String), message, suggestion]);
	});

	test("both of two words that exclude each other", () => {
		expect(errorsIn('{"run": "a", "pipeline": {"steps": ["b"]}}')).toHaveLength(1);
		expect(errorsIn("steps: [a]\njobs: { b: { steps: [c] } }")).toHaveLength(1);
	});

	test("an error across several values is reported beside them, but not for a job that has an error of its own", () => {
		const text = [
			"nmae: x",
			"jobs:",
			"  a: { outputs: [v], step: [x] }",
			"  b: { needs: a, env: { V: '${{ needs.a.outputs.v }} ${{ nope }}' }, steps: [x] }",
			"  c: { needs: b, artifacts: { fetch: a }, steps: [x] }",
			"  d: { if: run.brnch == 'x', steps: [x] }",
			"  e: { needs: [d, nosuch], if: params.x, steps: [x] }",
			"  f: { needs: d, if: needs.d.outputs.v == 'x', steps: [x] }",
		].join("\n");
		expect(errorsIn(text).map(([line, , path, message]) => `${line} ${path}: ${message}`)).toEqual([
			"1 nmae: Unknown key `nmae` in the pipeline.",
			"3 jobs.a.steps: Required key `steps` is missing in job `a`.",
			"3 jobs.a.step: Unknown key `step` in job `a`.",
			"6 jobs.d.if: A run has no value `brnch`.",
			"7 jobs.e.needs.1: Unknown job `nosuch` in `needs` of job `e`.",
			"8 jobs.f.if: Job `d` does not declare the output `v`.",
		]);
		expect(errorsIn("params: { x: { type: txet } }\nif: params.y\nsteps: [a]")).toHaveLength(1);
	});

	test("many misspelt needs in little time, with a list that ends", () => {
		const jobs = Object.fromEntries(
			Array.from({ length: 1000 }, (_, index) => [`job_${index}`, { needs: [`jbo_${index}`, `jub_${index}`], steps: ["a"] }]),
		);
		expect(errorsIn(JSON.stringify({ jobs }))).toHaveLength(50);
	});

	test("too many jobs, aliases that multiply, a text nested too deep, a key that is not of the map", () => {
		const jobs = Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`j${index}`, { steps: ["a"] }]));
		expect(errorsIn(JSON.stringify({ jobs }))[0]?.[3]).toContain("at most 1000 jobs");
		const bomb = `a: &a [x]\n${Array.from({ length: 101 }, (_, index) => `b${index}: *a`).join("\n")}`;
		expect(() => parseSubmission(bomb)).toThrow(/aliases/);
		expect(() => parseSubmission(JSON.stringify({ pipeline: bomb }))).toThrow(/aliases/);
		expect(() => parseSubmission("[".repeat(200))).toThrow();
		for (const deep of [
			`${"[".repeat(150)}${"]".repeat(150)}`,
			`${"{a: ".repeat(20_000)}1${"}".repeat(20_000)}`,
			`${"- ".repeat(20_000)}a`,
		])
			expect(() => parseSubmission(deep)).toThrow("The text is nested more than 100 levels deep.");
		expect(errorsIn("steps: [a]\nenv: &e { A: b }\ndefaults: { container: { image: x, env: { <<: [*e, 3] } } }")).toEqual([
			[3, 43, "", "A merge key (<<) takes a map, or a list of maps.", expect.stringContaining("<<: *base")],
		]);
		expect(errorsIn("__proto__: { a: 1 }\nsteps: [a]")[0]?.[3]).toBe("Unknown key `__proto__`.");
	});

	test("one file is one document, as Woodpecker and GitLab have it for a pipeline", () => {
		const message = "A second YAML document begins here; a pipeline is one document.";
		for (const text of ["steps: [a]\n---\nsteps: [b]", "steps: [a]\n---\n"])
			expect(errorsIn(text)).toEqual([[2, 1, "", message, expect.stringContaining("a file of its own")]]);
		expect(errorsIn("---\nsteps: [a]\n...\n")).toEqual([]);
	});

	const MAPS: readonly [string, (key: string) => string][] = [
		["jobs.a.matrix.__proto__", (key) => `jobs: { a: { matrix: { ${key}: [x] }, env: { V: "\${{ matrix.${key} }}" }, steps: [a] } }`],
		["jobs.a.matrix.include.0.__proto__", (key) => `jobs: { a: { matrix: { include: [{ ${key}: x }] }, steps: [a] } }`],
		[
			"jobs.__proto__",
			(key) =>
				`jobs: { ${key}: { outputs: [v], steps: [a] }, b: { needs: ${key}, env: { V: "\${{ needs.${key}.outputs.v }}" }, steps: [a] } }`,
		],
		["params.__proto__", (key) => `params: { ${key}: { default: x } }\nenv: { V: "\${{ params.${key} }}" }\nsteps: [a]`],
		["env.__proto__", (key) => `env: { ${key}: x }\nsteps: [a]`],
		["secrets.__proto__", (key) => `secrets: { ${key}: token }\nsteps: [a]`],
		["steps.0.build.args.__proto__", (key) => `steps: [{ build: { tags: t, args: { ${key}: x } } }]`],
	];

	test.each(MAPS)("the key of %s is rejected by name; inherited names are keys like any other", (path, textOf) => {
		expect(errorsIn(textOf("__proto__")).map(([, , ...rest]) => rest)).toEqual([[path, "Unknown key `__proto__`.", expect.any(String)]]);
		for (const key of ["constructor", "toString", "hasOwnProperty"]) expect(errorsIn(textOf(key))).toEqual([]);
		expect(parseSubmission(MAPS[0]?.[1]("constructor") ?? "").pipeline.jobs[0]).toMatchObject({ env: { V: "x" } });
	});

	test.each(["constructor", "toString"])("a variant is not chosen by an axis %s that its matrix does not have", (axis) => {
		const text = `jobs: { a: { matrix: { os: [l, m] }, steps: [a] }, b: { needs: { job: a, matrix: { ${axis}: x } }, steps: [b] } }`;
		expect(errorsIn(text)[0]?.[3]).toBe(`Job \`a\` has no axis \`${axis}\`.`);
		expect(errorsIn("outputs: [__proto__]\nsteps: [a]")[0]?.[3]).toBe("No output can have the name `__proto__`: choose another name.");
	});
});

test("durations, both ways", () => {
	expect(["90s", "1h30m", "250ms", "2d", "", "5", "m", "1x"].map(parseDuration)).toEqual([
		90_000,
		5_400_000,
		250,
		172_800_000,
		null,
		null,
		null,
		null,
	]);
	expect([0, 999, 1_500, 59_400, 61_000, 3_600_000, 7_500_000, 90_000_000].map(formatDuration)).toEqual([
		"0ms",
		"999ms",
		"1.5s",
		"59s",
		"1m 1s",
		"1h",
		"2h 5m",
		"1d 1h",
	]);
});

test("the nearest word, if it is near", () => {
	expect([nearest("stpes", ["steps", "jobs"]), nearest("zzz", ["steps"]), nearest("x".repeat(1_000_000), ["steps"])]).toEqual([
		"steps",
		null,
		null,
	]);
});
