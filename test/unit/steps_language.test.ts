import { describe, expect, test } from "vitest";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { definitionJson } from "../../schema/pipeline/resolve/definition_json.ts";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { cleanupLimit } from "../../schema/pipeline/runtime/cleanup.ts";

/** The errors of a pipeline: line, column, path and message, with the suggestion behind it. */
function errorsIn(text: string): string[] {
	return lintPipeline(text).errors.map(
		({ line, column, path, message, suggestion }) => `${line}:${column} ${path}: ${message}${suggestion ? ` (${suggestion})` : ""}`,
	);
}

const jobOf = (text: string) => parseSubmission(text).pipeline.jobs[0];

describe("the keys of a step", () => {
	test("are resolved with their defaults, and those of a group with its number", () => {
		const text = `steps:
  - { id: a, run: make, retry: 3, continue_on_error: true, if: always() }
  - parallel: [make lint, { run: make test, retry: { attempts: 2, delay: 5s } }]
  - make last`;
		expect(jobOf(text)?.steps).toMatchObject([
			{
				id: "a",
				condition: "always()",
				asks_for_status: true,
				continue_on_error: true,
				retry: { attempts: 3, delay_ms: 0 },
				group: null,
			},
			{ run: "make lint", group: 1, retry: null },
			{ run: "make test", group: 1, retry: { attempts: 2, delay_ms: 5_000 } },
			{ run: "make last", group: null, condition: null, asks_for_status: false },
		]);
	});

	test.each([
		["steps: [{ run: a, id: 1a }]", "1:23 steps.0.id: The id of a step has letters, digits, dashes and underscores"],
		["steps: [{ run: a, id: x }, { run: b, id: x }]", "1:42 steps.1.id: Another step of this job has the id `x`."],
		["steps: [{ run: a, retry: 11 }]", "1:26 steps.0.retry.attempts: The number must be at most 10."],
		["steps: [{ run: a, retry: { times: 3 } }]", "1:28 steps.0.retry.times: Unknown key `times`"],
		["steps: [{ parallel: [a], if: always() }]", "1:30 steps.0.if: A group of `parallel` steps takes no `if`"],
		["steps: [{ parallel: [a], run: b }]", "1:31 steps.0.run: A group of `parallel` steps takes no `run`"],
		["steps: [{ parallel: [] }]", "1:21 steps.0.parallel: `parallel` must have at least one step."],
		["steps: [{ parallel: [{ parallel: [a] }] }]", "1:24 steps.0.parallel.0.parallel: Unknown key `parallel`"],
		["steps: [{ run: a, if: steps.b.result == 'failed' }]", "1:29 steps.0.if: No step before this one has the id `b`."],
		["steps: [{ id: b, run: a, if: steps.b.result == 'failed' }]", "1:36 steps.0.if: No step before this one has the id `b`."],
		["steps: [{ id: b, run: a }, { run: c, if: steps.b.result == 'success' }]", "(Did you mean `succeeded`?)"],
		["steps: [{ id: b, run: a }, { run: c, if: steps.b.output.x == '' }]", "A step has no `output`. (Did you mean `outputs`?)"],
		["steps: [{ id: b, run: a }, { run: c, if: steps.b.result }]", "A condition must give true or false; this expression gives a text."],
		["steps: [{ parallel: [{ id: b, run: a }, { run: c, if: steps.b.result == 'failed' }] }]", "has the id `b`"],
		["if: cancelled()\nsteps: [a]", "1:5 if: cancelled() can be used only in the `if` of a step."],
		["steps: [a]\nenv: { A: '${{ steps.b.result }}' }", "2:16 env.A: `steps` can be used only in a step"],
		["steps: [{ id: b, run: a }, { run: c, name: '${{ steps.b.result }}' }]", "`steps` cannot be used here"],
		["steps: [{ run: a, env: { A: '${{ cancelled() }}' } }]", "can be used only in `if`"],
		["steps: [a]\nfinally: []", "2:10 finally.steps: `finally` must have at least one step."],
		["steps: [a]\nfinally: { timeout: 1m }", "Required key `steps` is missing in `finally`."],
		[
			"steps: [a]\nfinally: [{ run: b, iff: x }]",
			"2:21 finally.steps.0.iff: Unknown key `iff` in step 1 of `finally`. (Did you mean `if`?)",
		],
		["steps: [a]\nfinally: { steps: [{ run: b, iff: x }] }", "2:30 finally.steps.0.iff: Unknown key `iff`"],
		["secrets: { A: a }\nsteps: [a]\nfinally: [{ run: b, env: { A: x } }]", "Variable `A` is set in `secrets` and in `env`."],
	])("are checked with line and column: %s", (text, error) => {
		expect(errorsIn(text).join("\n")).toContain(error);
	});

	test("are at most 200, those of groups counted", () => {
		const groups = (count: number) =>
			`steps: [${Array.from({ length: count }, () => `{ parallel: [${Array(20).fill("a").join(", ")}] }`).join(", ")}]`;
		expect(errorsIn(groups(10))).toEqual([]);
		expect(errorsIn(groups(11))[0]).toContain("A job has at most 200 steps; with those of `parallel` this one has 220.");
	});

	test("`finally` sees the steps before it", () => {
		expect(errorsIn("steps: [{ parallel: [{ id: p, run: a }] }]\nfinally: [{ run: b, if: steps.p.result == 'failed' }]")).toEqual([]);
	});
});

test("a job may run on after a cancel for the time of `finally`, or of steps that ask for the status", () => {
	const limitOf = (text: string) => cleanupLimit(jobOf(text) as NonNullable<ReturnType<typeof jobOf>>);
	expect(limitOf("steps: [a]")).toBe(0);
	expect(limitOf("steps: [a]\nfinally: [b]")).toBe(300_000);
	expect(limitOf("steps: [a]\nfinally: { steps: [b], timeout: 90s }")).toBe(90_000);
	expect(limitOf("steps: [a, { run: b, if: always() }]")).toBe(300_000);
	expect(limitOf("steps: [a, { run: b, if: run.branch == 'main' }]")).toBe(0);
});

test.each([
	"steps: [make]",
	"steps: [{ id: a, run: b, if: always(), retry: 2, continue_on_error: true }, { parallel: [c] }]\nfinally: [d]",
	"{ matrix: { n: [1] }, container: a, services: { b: c }, secrets: { A: a }, idle_timeout: 1m, allow_failure: true, approval: true, outputs: [x], reports: { junit: a.xml }, artifacts: { save: [{ paths: a }] }, concurrency: g, steps: [a, { build: { tags: t } }] }",
	"{ params: { fail_fast: { type: boolean, default: false } }, fail_fast: true, timeout: 1h, notify: [{ slack: s }], concurrency: g, jobs: { a: { steps: [a] } } }",
])("the stored form of a pipeline is read as the same pipeline: %s", (text) => {
	const { pipeline } = parseSubmission(text);
	expect(readDefinition(definitionJson(pipeline))).toEqual(pipeline);
	expect(definitionJson(readDefinition(definitionJson(pipeline)))).toBe(definitionJson(pipeline));
});
