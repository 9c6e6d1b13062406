import { describe, expect, test } from "vitest";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import { Queue } from "../support/queue.ts";

const FAILED = { state: "failed", exit_code: 1, reason: { code: "step_failed", text: "no" } } as const;

/** Orders of jobs that do not name each need: stages, and the need of all other jobs. */

const needsIn = (text: string) =>
	Object.fromEntries(parseSubmission(text).pipeline.jobs.map(({ key, needs }) => [key, needs.map((need) => need.key)]));
const errorsIn = (text: string) => lintPipeline(text).errors.map(({ message, suggestion }) => `${message} ${suggestion}`);

describe("stages", () => {
	test("order the jobs without `needs`, across empty stages, and past jobs with needs of their own", () => {
		const text = `stages: [build, check, empty, deploy]
jobs:
  b1: { stage: build, steps: [a] }
  b2: { stage: build, steps: [a] }
  early: { stage: check, needs: [b1], steps: [a] }
  c: { stage: check, steps: [a] }
  d: { stage: deploy, steps: [a] }
  beside: { needs: [], steps: [a] }`;
		expect(needsIn(text)).toEqual({ b1: [], b2: [], early: ["b1"], c: ["b1", "b2"], d: ["early", "c"], beside: [] });
		expect(needsIn(text.replace("  c: { stage: check, steps: [a] }\n", "")).d).toEqual(["early", "b2"]);
	});

	test.each([
		["stages: [a, a]\njobs: { x: { stage: a, steps: [a] } }", "The stage `a` is there twice."],
		["jobs: { x: { stage: a, steps: [a] } }", "The pipeline has no `stages`."],
		["stages: [build]\njobs: { x: { stage: biuld, steps: [a] } }", "Unknown stage `biuld`. Did you mean `build`?"],
		["stages: [build]\njobs: { x: { steps: [a] } }", "Job `x` has neither `stage` nor `needs`"],
		["stages: []\njobs: { x: { steps: [a] } }", "`stages` must have at least one stage."],
		["stages: [a]\nsteps: [a]", "Unknown key `stages`"],
	])("are checked: %s", (text, error) => {
		expect(errorsIn(text)[0]).toContain(error);
	});

	test("a job whose condition is false holds up no stage; one that fails does", () => {
		const queue = new Queue();
		const text = `stages: [one, two, three]
jobs:
  unwanted: { stage: one, if: run.branch == "never", steps: [a] }
  good: { stage: one, steps: [a] }
  bad: { stage: two, steps: [a] }
  last: { stage: three, steps: [a] }
  all: { needs: "*", if: always(), steps: [a] }`;
		const runId = queue.submit(text);
		const states = () => Object.fromEntries(queue.jobs(runId).map(({ key, state }) => [key, state]));
		expect(states()).toEqual({ unwanted: "skipped", good: "queued", bad: "blocked", last: "blocked", all: "blocked" });
		const agent = queue.agent("one");
		queue.finish(queue.take(agent));
		expect(states()).toMatchObject({ good: "succeeded", bad: "queued" });
		queue.finish(queue.take(agent), FAILED);
		expect(states()).toMatchObject({ bad: "failed", last: "skipped", all: "queued" });
	});
});

describe('needs: "*"', () => {
	test("means every job that does not need this one", () => {
		const text = `jobs:
  a: { steps: [a] }
  b: { needs: a, steps: [a] }
  check: { needs: "*", steps: [a] }
  after: { needs: check, steps: [a] }
  last: { needs: after, steps: [a] }`;
		expect(needsIn(text)).toEqual({ a: [], b: ["a"], check: ["a", "b"], after: ["check"], last: ["after"] });
	});

	test("knows the results of the other jobs", () => {
		const text = 'jobs:\n  a: { steps: [a] }\n  check: { needs: "*", if: needs.a.result == "failed", steps: [a] }';
		expect(errorsIn(text)).toEqual([]);
	});

	test.each([
		['jobs: { a: { needs: "*", steps: [a] }, b: { needs: ["*"], steps: [a] } }', "both need all other jobs"],
		['jobs: { a: { steps: [a] }, b: { needs: [a, "*"], steps: [a] } }', "means all other jobs"],
		['jobs: { a: { steps: [a] }, b: { needs: { job: "*", matrix: { x: "1" } }, steps: [a] } }', "selects no matrix jobs"],
	])("is checked: %s", (text, error) => {
		expect(errorsIn(text)[0]).toContain(error);
	});
});

test("max_parallel lets so many matrix jobs into the queue, and the next one when one has ended", () => {
	const queue = new Queue();
	const runId = queue.submit("matrix: { n: [1, 2, 3, 4], max_parallel: 2 }\nsteps: [a]\nretry: { attempts: 2 }");
	const states = () => queue.jobs(runId).map(({ state, reason_code }) => (state === "blocked" ? reason_code : state));
	expect(states()).toEqual(["queued", "queued", "max_parallel", "max_parallel"]);
	const agent = queue.agent("one");
	queue.finish(queue.take(agent));
	expect(states()).toEqual(["succeeded", "queued", "queued", "max_parallel"]);
	// The pause before another attempt makes room, too.
	queue.finish(queue.take(agent), FAILED);
	expect(states()).toEqual(["succeeded", "backoff", "queued", "queued"]);
});
