import { describe, expect, test } from "vitest";
import { placeKey } from "../../schema/pipeline/compose/include_place.ts";
import { readIncludes } from "../../schema/pipeline/compose/wanted_includes.ts";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";

/** Pipelines that are put together: includes, templates, merge keys, and keys for the author alone. */

type Files = Readonly<Record<string, string>>;
const textsOf = (files: Files) =>
	new Map(Object.entries(files).map(([file, text]) => [placeKey({ file, project: null, ref: null }), { text }]));
const jobsOf = (text: string, files: Files = {}) =>
	Object.fromEntries(parseSubmission(text, { included: textsOf(files) }).pipeline.jobs.map((job) => [job.key, job]));

/** The errors of a pipeline: file, line and column, path and message, with the suggestion behind it. */
function errorsIn(text: string, files: Files = {}): string[] {
	return lintPipeline(text, textsOf(files)).errors.map(
		({ file = "", line, column, path, message, suggestion }) =>
			`${file}:${line}:${column} ${path}: ${message}${suggestion ? ` (${suggestion})` : ""}`,
	);
}

describe("merge keys of YAML", () => {
	test("take over what a map does not have itself; of a list the first wins", () => {
		const text = `x-a: &a { timeout: 10m, env: { A: a } }
x-b: &b { timeout: 20m, idle_timeout: 1m }
jobs:
  one: { <<: *a, env: { B: b }, steps: [a] }
  two: { <<: [*a, *b], steps: [a] }
  three: { steps: [a], <<: { timeout: 30m } }`;
		const { one, two, three } = jobsOf(text);
		expect([one?.timeout_ms, one?.env]).toEqual([600_000, { B: "b" }]);
		expect([two?.timeout_ms, two?.idle_timeout_ms]).toEqual([600_000, 60_000]);
		expect(three?.timeout_ms).toBe(1_800_000);
	});

	test("show their errors where the value is written", () => {
		const text = "x-a: &a\n  timeout: long\njobs:\n  one:\n    <<: *a\n    steps: [a]";
		expect(errorsIn(text)[0]).toContain(":2:12 jobs.one.timeout:");
	});

	test.each([
		["x-a: &a 3\njobs: { one: { <<: *a, steps: [a] } }", "A merge key (<<) takes a map, or a list of maps."],
		["jobs: { one: { <<: [1], steps: [a] } }", "A merge key (<<) takes a map, or a list of maps."],
		['jobs: { one: { "<<": { timeout: 1m }, steps: [a] } }', "Unknown key `<<`"],
	])("take nothing else: %s", (text, error) => {
		expect(errorsIn(text)[0]).toContain(error);
	});
});

describe("templates", () => {
	test("are merged map by map; lists and texts are replaced; the job wins, then the last template", () => {
		const text = `templates:
  base: { timeout: 10m, env: { A: base, B: base }, container: { image: a, env: { X: x } }, steps: [base] }
  slow: { extends: base, timeout: 1h, env: { B: slow } }
  loud: { env: { B: loud, C: loud }, outputs: [o] }
jobs:
  one: { extends: [slow, loud], env: { C: own }, container: { image: b } }
  two: { extends: base, container: c, steps: [own] }`;
		const { one, two } = jobsOf(text);
		expect(one).toMatchObject({
			timeout_ms: 3_600_000,
			env: { A: "base", B: "loud", C: "own" },
			container: { image: "b", env: { X: "x" } },
			outputs: ["o"],
			steps: [{ run: "base" }],
		});
		expect([two?.container?.image, two?.steps.map(({ run }) => run)]).toEqual(["c", ["own"]]);
	});

	test("say in an error which template a value is from, at its line", () => {
		const text = "templates:\n  base:\n    timeout: long\njobs:\n  one:\n    extends: base\n    steps: [a]\n    retries: 1";
		const found = errorsIn(text);
		expect(found[0]).toContain(":3:14 jobs.one.timeout:");
		expect(found[0]).toContain("(from template `base`)");
		expect(found[1]).toContain(":8:5 jobs.one.retries: Unknown key `retries` in job `one`.");
	});

	test("that no job extends are checked, too", () => {
		expect(errorsIn("templates:\n  base: { timeot: 1m }\njobs: { one: { steps: [a] } }")[0]).toContain(
			":2:11 timeot: Unknown key `timeot` in template `base`. (Did you mean `timeout`?)",
		);
	});

	test.each([
		["jobs: { one: { extends: base, steps: [a] } }", ":1:25 jobs.one.extends: Unknown template `base`."],
		["templates: { base: {} }\njobs: { one: { extends: bse, steps: [a] } }", "Unknown template `bse`. (Did you mean `base`?)"],
		[
			"templates: { a: { extends: b }, b: { extends: a } }\njobs: { one: { extends: a, steps: [a] } }",
			"Templates extend each other in a circle: a → b → a.",
		],
		["templates: [a]\njobs: { one: { steps: [a] } }", "Expected a map of templates, got a list."],
		["templates: { a: 3 }\njobs: { one: { steps: [a] } }", "Expected a map with keys of a job, got number 3."],
		["templates: { 'a b': {} }\njobs: { one: { steps: [a] } }", "`a b` is not a name of a template."],
		["jobs: { one: { extends: [], steps: [a] } }", "The list must have at least one entry."],
		["extends: a\nsteps: [a]", "Unknown key `extends`"],
		["x-mine: 1\njobs: { one: { x-y: 1, steps: [a] } }", "Unknown key `x-y` in job `one`."],
	])("are checked: %s", (text, error) => {
		expect(errorsIn(text).join("\n")).toContain(error);
	});

	test("do not grow without a bound", () => {
		const keys = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`K${index}`, "v"]));
		const jobs = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`j${index}`, { extends: "base", env: keys, steps: ["a"] }]));
		expect(errorsIn(JSON.stringify({ templates: { base: { env: keys } }, jobs }))[0]).toContain("has more than 50000 keys");
	});
});

describe("includes", () => {
	const files = {
		"ci/base.yml": "env: { A: base, B: base }\ntemplates: { base: { timeout: 10m } }\njobs:\n  lint: { steps: [lint], env: { L: base } }",
		"ci/more.yml": "include: ci/base.yml\nenv: { B: more }\njobs: { lint: { env: { L: more } } }",
	};

	test("bring jobs, templates and variables; the including file wins, then the last include", () => {
		const text = "include: [ci/base.yml, { file: ./ci/more.yml }]\nenv: { C: own }\njobs:\n  one: { extends: base, steps: [a] }";
		const { one, lint } = jobsOf(text, files);
		expect([one?.timeout_ms, one?.env]).toEqual([600_000, { A: "base", B: "more", C: "own" }]);
		expect([lint?.steps.map(({ run }) => run), lint?.env]).toEqual([["lint"], { A: "base", B: "more", C: "own", L: "more" }]);
	});

	test("show an error in an included file with its name and line", () => {
		const text = "include: ci/bad.yml\njobs: { one: { steps: [a] } }";
		expect(errorsIn(text, { "ci/bad.yml": "jobs:\n  two:\n    stesp: [a]\n    steps: [a]" })[0]).toBe(
			"ci/bad.yml:3:5 jobs.two.stesp: Unknown key `stesp` in job `two`. (Did you mean `steps`?)",
		);
		expect(errorsIn(text, { "ci/bad.yml": "a: [" })[0]).toMatch(/^ci\/bad.yml:1:5 /);
		expect(errorsIn(text, { "ci/bad.yml": "on: push\nname: x" })).toEqual([
			"ci/bad.yml:1:1 on: An included file has no `on`. (It may have: include, templates, jobs, stages, env, params, defaults.)",
			"ci/bad.yml:2:1 name: An included file has no `name`. (It may have: include, templates, jobs, stages, env, params, defaults.)",
		]);
	});

	test.each([
		["include: nope.yml\nsteps: [a]", {}, ":1:10 include.0: The file `nope.yml` does not exist."],
		[
			"include: a.yml\nsteps: [a]",
			{ "a.yml": "include: b.yml", "b.yml": "include: a.yml" },
			"b.yml:1:10 include.0: `a.yml` includes itself.",
		],
		["include: ../x.yml\nsteps: [a]", {}, "The file must be in the repository"],
		["include: { file: a.yml, ref: v1 }\nsteps: [a]", { "a.yml": "env: {}" }, "`ref` needs `project`"],
		["include: { fil: a.yml }\nsteps: [a]", {}, "Unknown key `fil`"],
		["include: []\nsteps: [a]", {}, "`include` must have at least one file."],
		["include: a.yml\nsteps: [a]", { "a.yml": "3" }, "Expected a map in `a.yml`, got number 3."],
		[
			"include: a.yml\nsteps: [a]",
			{ "a.yml": "jobs: { x: { steps: [a] } }" },
			"A pipeline has either `steps` or `jobs` at the top, not both.",
		],
	])("are checked: %s", (text, others, error) => {
		expect(errorsIn(text, others).join("\n")).toContain(error);
	});

	test("are at most fifty, and nested at most ten levels deep", () => {
		const many = Array.from({ length: 1_000 }, (_, index) => `f${index}.yml`);
		expect(errorsIn(`include: [${many}]\nsteps: [a]`)[0]).toContain("A pipeline includes at most 50 files.");
		const chain = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f${index}.yml`, `include: f${index + 1}.yml`]));
		expect(errorsIn("include: f0.yml\nsteps: [a]", chain)[0]).toContain("Includes are nested more than 10 levels deep.");
		const wide = Object.fromEntries(many.map((file) => [file, "env: {}"]));
		wide["all.yml"] = `include: [${many.slice(0, 40)}]`;
		wide["again.yml"] = `include: [${many.slice(0, 40)}]`;
		expect(errorsIn("include: [all.yml, again.yml]\nsteps: [a]", wide)[0]).toContain("A pipeline includes at most 50 files");
	});

	test("without the files are an error that says who has them", () => {
		expect(lintPipeline("include: a.yml\nsteps: [a]").errors[0]?.message).toBe("This pipeline came without the files that it includes.");
	});

	test("come with a submission, which its errors name", () => {
		const submission = { pipeline: "include: a.yml\njobs: { one: { steps: [a] } }", files: { "a.yml": "env: { A: '1' }" } };
		expect(parseSubmission(JSON.stringify(submission)).pipeline.jobs[0]?.env).toEqual({ A: "1" });
	});

	test("are found for those who read them, each once, also in texts with errors", async () => {
		const asked: string[] = [];
		const read = await readIncludes(
			["include: [a.yml, b.yml]\nsteps: 3", "include: [", "x: include", '{"include": "c.yml"}'],
			async ({ file }) => {
				asked.push(file);
				return file === "b.yml" ? null : { text: file === "a.yml" ? "include: [c.yml, a.yml]" : "env: {}" };
			},
		);
		expect(asked).toEqual(["a.yml", "b.yml", "c.yml"]);
		expect(read.map(({ place }) => place.file)).toEqual(["a.yml", "c.yml"]);
	});
});
