import { describe, expect, test } from "vitest";
import { lintPipeline } from "../../schema/pipeline/parse/lint.ts";
import { resolvingUpload } from "../../schema/pipeline/parse/uploaded_jobs.ts";
import { pipelineAgain } from "../../schema/pipeline/resolve/pipeline_again.ts";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { doneAtOnce } from "../../schema/pipeline/syntax/sliced_work.ts";
import type { ApiError, FieldError } from "../../schema/wire/errors.ts";
import type { LeaseClaims } from "../../worker/queue/core/leases/attempts.ts";
import { addJobs, uploadTarget } from "../../worker/queue/core/runs/add_jobs.ts";
import { cancelRun } from "../../worker/queue/core/runs/cancel.ts";
import { Queue, refusalOf } from "../support/queue.ts";

/** Runs that get more jobs while they are under way. */

const FAILED = { state: "failed", exit_code: 1, reason: { code: "step_failed", text: "no" } } as const;
const errorsIn = (text: string) => lintPipeline(text).errors.map(({ path, message, suggestion }) => `${path}: ${message} ${suggestion}`);
const statesOf = (queue: Queue, runId: string) => queue.jobs(runId).map(({ name, state }) => `${name} ${state}`);
const pipelineOf = (queue: Queue, runId: string) =>
	readDefinition(
		queue.sql.all<{ json: string }>("SELECT json FROM definitions WHERE digest = ?", queue.run(runId).definition)[0]?.json ?? "",
	);

describe("a matrix from an output", () => {
	const TEXT = `jobs:
  plan: { outputs: [m, list], steps: [a] }
  test:
    needs: plan
    matrix: \${{ needs.plan.outputs.m }}
    runs_on: ["\${{ matrix.os }}"]
    steps: [a]
  last: { needs: test, steps: [a] }`;

	/** A run of the text whose first job has put this out. */
	function planned(text: string, outputs: Record<string, string>): { queue: Queue; runId: string; agent: string } {
		const queue = new Queue();
		const runId = queue.submit(text);
		const agent = queue.agent("one", { labels: ["l", "m"] });
		expect(queue.jobs(runId).map(({ state }) => state)).toEqual(expect.arrayContaining(["queued", "blocked"]));
		queue.finish(queue.take(agent), { outputs });
		return { queue, runId, agent };
	}

	test("becomes matrix jobs when its needs have ended; what needs it waits for all of them", () => {
		const { queue, runId, agent } = planned(TEXT, { m: '{"os": ["l", "m"], "include": [{"os": "m", "x": "1"}]}' });
		expect(statesOf(queue, runId)).toEqual(["plan succeeded", "test (l) queued", "last blocked", "test (m, 1) queued"]);
		expect(queue.jobs(runId).map(({ runs_on }) => JSON.parse(runs_on).labels)).toEqual([[], ["l"], [], ["m"]]);
		queue.finish(queue.take(agent));
		expect(queue.job(runId, "last").state).toBe("blocked");
		queue.finish(queue.take(agent));
		expect(queue.job(runId, "last").state).toBe("queued");
	});

	test("may be a list of its matrix jobs", () => {
		const { queue, runId } = planned(TEXT, { m: '[{"os": "l", "x": "1"}, {"os": "m"}]' });
		expect(statesOf(queue, runId)).toEqual(["plan succeeded", "test (l, 1) queued", "last blocked", "test (m) queued"]);
	});

	test("takes lists for axes, with maps, and never evaluates what an output says", () => {
		const text = `jobs:
  plan: { outputs: [list], steps: [a] }
  test:
    needs: plan
    matrix: { job: "\${{ needs.plan.outputs.list }}", n: [1] }
    env: { T: "\${{ matrix.job.target }}" }
    steps: [a]`;
		const { queue, runId } = planned(text, { list: '[{"target": "${{ run.branch }}"}, {"target": "b"}]' });
		expect(pipelineOf(queue, runId).jobs.map(({ env }) => env)).toEqual([{}, { T: "${{ run.branch }}" }, { T: "b" }]);
	});

	test.each([
		["nothing", "", "The matrix must be JSON"],
		["no JSON", "os: [l]", "The matrix must be JSON"],
		["a list of numbers", "[1]", "matrix.include.0: Expected a map of values, got number 1."],
		["an empty list of jobs", "[]", "A matrix needs an axis"],
		["a number", "1", "The matrix must be a map of axes or a list of matrix jobs, and the output is number 1."],
		["an empty list", '{"os": []}', "matrix.os: The list must have at least one entry."],
		[
			"too many jobs",
			JSON.stringify({ a: Array.from({ length: 300 }, (_, index) => index) }),
			"matrix.a: The list has at most 256 entries.",
		],
		[
			"too many combinations",
			JSON.stringify({ a: Array.from({ length: 20 }, (_, index) => index), b: Array.from({ length: 20 }, (_, index) => index) }),
			"The matrix makes 400 jobs.",
		],
		["a misspelt setting", '{"os": ["l"], "fail-fast": [true]}', "looks like the setting `fail_fast`"],
		["an axis that is missing", '{"system": ["l"]}', "The matrix has no axis `os`."],
		["an axis that only some have", '{"a": ["l"], "include": [{"a": "m", "os": "l"}]}', "Only some matrix jobs have `os`."],
		["a label that is none", '{"os": ["not a label!"]}', "label"],
	])("ends the job with the reason if it is %s", (_, m, text) => {
		const { queue, runId } = planned(TEXT, { m });
		const job = queue.job(runId, "test");
		expect([job.state, job.reason_code]).toEqual(["errored", "config_invalid"]);
		expect(job.reason_text).toContain("The matrix cannot be made of the outputs: ");
		expect(job.reason_text).toContain(text);
		expect(queue.job(runId, "last").state).toBe("skipped");
	});

	test("is not made where the needs fail, and keeps its condition for each of its jobs", () => {
		const queue = new Queue();
		const runId = queue.submit(TEXT);
		queue.finish(queue.take(queue.agent("one")), FAILED);
		expect(statesOf(queue, runId)).toEqual(["plan failed", "test skipped", "last skipped"]);
		const conditional = TEXT.replace("runs_on", 'if: matrix.os != "m"\n    runs_on');
		const { queue: other, runId: otherId } = planned(conditional, { m: '{"os": ["l", "m"]}' });
		expect(statesOf(other, otherId)).toEqual(["plan succeeded", "test (l) queued", "last skipped", "test (m) skipped"]);
		const always = planned(TEXT.replace("runs_on", 'if: always() && matrix.os != "m"\n    runs_on'), { m: '{"os": ["l", "m"]}' });
		expect(statesOf(always.queue, always.runId)).toContain("test (l) queued");
	});

	test.each([
		["jobs: { a: { steps: [a] }, b: { matrix: '${{ needs.a.outputs.m }}', steps: [a] } }", "This job does not need `a`."],
		["jobs: { a: { steps: [a] }, b: { needs: a, matrix: '${{ needs.a.outputs.m }}', steps: [a] } }", "does not declare the output `m`"],
		["matrix: '${{ run.branch }}'\nsteps: [a]", ""],
		["matrix: 'x ${{ run.branch }}'\nsteps: [a]", "Expected a map"],
		[
			"jobs: { a: { outputs: [m], steps: [a] }, b: { needs: a, matrix: '${{ needs.a.outputs.m }}', steps: [a] }, c: { needs: { job: b, matrix: { x: '1' } }, steps: [a] } }",
			"The matrix jobs of `b` are not known before its needs have ended",
		],
	])("is checked: %s", (text, error) => {
		expect(errorsIn(text).join("\n")).toContain(error);
	});

	test("is made again by a rerun of the job that puts it out, and taken over by any other", () => {
		const { queue, runId } = planned(TEXT, { m: '{"os": ["l", "m"]}' });
		const ran = pipelineOf(queue, runId);
		expect(pipelineAgain(ran, new Set()).pipeline.jobs.map(({ name }) => name)).toEqual(["plan", "test", "last"]);
		const later = pipelineAgain(ran, new Set([0]));
		expect(later.pipeline.jobs.map(({ name }) => name)).toEqual(["plan", "test (l)", "last", "test (m)"]);
		expect([...later.positions]).toEqual([
			[0, 0],
			[1, 1],
			[2, 2],
			[3, 3],
		]);
	});
});

describe("jobs that a job adds to its run", () => {
	const TEXT = `params: { level: { type: integer, default: 3 } }
jobs:
  up: { outputs: [v], steps: [a] }
  other: { matrix: { os: [l, m] }, outputs: [w], steps: [a] }`;
	const UPLOAD = `env: { A: "1" }
jobs:
  one: { needs: [up, { job: other, matrix: { os: m } }], if: params.level > 2, env: { V: "\${{ needs.up.outputs.v }}" }, steps: [a] }
  two: { needs: one, steps: [a] }
  now: { steps: [a] }`;

	function started(): { queue: Queue; runId: string; agent: string; lease: LeaseClaims } {
		const queue = new Queue();
		const runId = queue.submit(TEXT);
		const agent = queue.agent("one");
		return { queue, runId, agent, lease: queue.take(agent) };
	}
	const upload = (queue: Queue, lease: LeaseClaims, text: string, digest = "d1") => {
		const target = uploadTarget(queue.core, lease);
		return addJobs(queue.core, lease, { definition: target.definition, digest, jobs: doneAtOnce(resolvingUpload(text, target)) });
	};
	const errorsOf = (text: string) => {
		const { queue, lease } = started();
		try {
			doneAtOnce(resolvingUpload(text, uploadTarget(queue.core, lease)));
		} catch (error) {
			return ((error as ApiError).details.errors as FieldError[]).map(
				({ line, column, path, message }) => `${line}:${column} ${path}: ${message}`,
			);
		}
		return [];
	};

	test("wait for the jobs that they need, old and new", () => {
		const { queue, runId, agent, lease } = started();
		expect(upload(queue, lease, UPLOAD)).toEqual(["one", "two", "now"]);
		expect(statesOf(queue, runId)).toEqual([
			"up running",
			"other (l) queued",
			"other (m) queued",
			"one blocked",
			"two blocked",
			"now queued",
		]);
		expect(pipelineOf(queue, runId).jobs.map(({ added_by }) => added_by?.key ?? null)).toEqual([null, null, null, "up", "up", "up"]);
		queue.finish(lease, { outputs: { v: "7" } });
		queue.finish(queue.take(agent));
		expect(queue.job(runId, "one").state).toBe("blocked");
		queue.finish(queue.take(agent));
		expect(queue.job(runId, "one").state).toBe("queued");
	});

	test("are added once: by a repeat, and by another attempt of the job", () => {
		const { queue, runId, lease } = started();
		upload(queue, lease, UPLOAD);
		const target = uploadTarget(queue.core, lease);
		expect(addJobs(queue.core, lease, { definition: "an older one", digest: "d1", jobs: [] })).toEqual(["one", "two", "now"]);
		expect(queue.jobs(runId).length).toBe(6);
		expect(addJobs(queue.core, lease, { definition: "an older one", digest: "d2", jobs: [] })).toBeNull();
		expect(target.pipeline.jobs.length).toBe(6);
	});

	test("are known again when their matrix has come from an output, also to a rerun", () => {
		const queue = new Queue();
		const runId = queue.submit("jobs:\n  plan: { outputs: [m], steps: [a] }\n  up: { needs: plan, steps: [a] }");
		const agent = queue.agent("one");
		queue.finish(queue.take(agent), { outputs: { m: '{"n": [1, 2]}' } });
		const lease = queue.take(agent);
		const text = "jobs: { t: { needs: plan, matrix: '${{ needs.plan.outputs.m }}', steps: [a] }, u: { steps: [a] } }";
		upload(queue, lease, text);
		expect(statesOf(queue, runId).slice(2)).toEqual(["t (1) queued", "u queued", "t (2) queued"]);
		expect(addJobs(queue.core, lease, { definition: "any", digest: "d1", jobs: [] })).toEqual(["t (1)", "u", "t (2)"]);
		const { pipeline } = pipelineAgain(pipelineOf(queue, runId), new Set([0]));
		expect([pipeline.jobs.map(({ name }) => name), Object.keys(pipeline.placeholders)]).toEqual([["plan", "up"], []]);
	});

	test("of jobs that were added are added again with these; what another upload needs is kept", () => {
		const { queue, runId, agent, lease } = started();
		upload(queue, lease, "jobs: { a: { steps: [a] } }");
		queue.finish(lease);
		for (let taken = queue.take(agent); ; taken = queue.take(agent)) {
			const { name } = queue.jobs(runId).find(({ id }) => id === taken.jobId) ?? { name: "" };
			if (name === "a") {
				upload(queue, taken, "jobs: { c: { needs: a, steps: [a] } }");
				break;
			}
			queue.finish(taken);
		}
		const ran = pipelineOf(queue, runId);
		const names = (reused: string[]) => {
			const positions = ran.jobs.flatMap(({ name }, position) => (reused.includes(name) ? [position] : []));
			return pipelineAgain(ran, new Set(positions)).pipeline.jobs.map(({ name }) => name);
		};
		expect(ran.jobs.map(({ name }) => name)).toEqual(["up", "other (l)", "other (m)", "a", "c"]);
		expect(names(["other (l)", "other (m)", "a"])).toEqual(["up", "other (l)", "other (m)"]);
		expect(names(["up", "other (l)", "other (m)"])).toEqual(["up", "other (l)", "other (m)", "a"]);
		expect(names(["up", "other (l)", "other (m)", "a"])).toEqual(["up", "other (l)", "other (m)", "a", "c"]);
		const other = { key: "other", digest: "d9" };
		const jobs = ran.jobs.map((job) => (job.key === "c" ? { ...job, added_by: other } : job));
		expect(pipelineAgain({ ...ran, jobs }, new Set([1, 2, 3])).pipeline.jobs.map(({ name }) => name)).toContain("a");
	});

	test("are not added by an attempt that lost its lease, and not to a run that is being cancelled", () => {
		const { queue, runId, agent, lease } = started();
		const jobs = doneAtOnce(resolvingUpload(UPLOAD, uploadTarget(queue.core, lease)));
		const { definition } = queue.run(runId);
		queue.pass(61_000);
		expect(refusalOf(() => addJobs(queue.core, lease, { definition, digest: "d1", jobs }))).toBe("attempt_superseded");
		expect(queue.jobs(runId).length).toBe(3);
		const again = queue.take(agent);
		cancelRun(queue.core, runId, "somebody");
		expect(refusalOf(() => addJobs(queue.core, again, { definition, digest: "d1", jobs }))).toBe("conflict");
		expect(refusalOf(() => uploadTarget(queue.core, again))).toBe("conflict");
	});

	test("leave the queue and the record with their run", () => {
		const { queue, runId, lease } = started();
		upload(queue, lease, "jobs: { a: { steps: [x] } }");
		upload(queue, lease, "jobs: { b: { steps: [x] } }", "d2");
		const digests = queue.sql.all<{ digest: string }>("SELECT digest FROM definitions").map(({ digest }) => digest);
		expect(digests).toEqual([`${runId}:2`]);
		expect(pipelineOf(queue, runId).replaces).toBe(`digest-${runId}`);
	});

	test("are at most a thousand with those of the run", () => {
		const jobs = Object.fromEntries(Array.from({ length: 998 }, (_, index) => [`j${index}`, { steps: ["a"] }]));
		expect(errorsOf(JSON.stringify({ jobs }))[0]).toContain("A pipeline has at most 1000 jobs; with all matrix jobs this one has 1001.");
	});

	test.each([
		["jobs: { a: { needs: nope, steps: [a] } }", "1:21 jobs.a.needs.0: Unknown job `nope` in `needs` of job `a`."],
		["jobs: { up: { steps: [a] } }", "1:9 jobs.up: The run has a job `up` already."],
		["jobs: { a: { needs: other, env: { W: '${{ needs.other.outputs.w }}' }, steps: [a] } }", "has several matrix jobs"],
		["jobs: { a: { needs: { job: other, matrix: { os: z } }, steps: [a] } }", "No matrix job of `other` has os=z."],
		["jobs: { a: { needs: up, env: { W: '${{ needs.up.outputs.w }}' }, steps: [a] } }", "does not declare the output `w`"],
		["jobs: { a: { if: params.nope, steps: [a] } }", "The pipeline has no parameter `nope`."],
		["on: push\njobs: { a: { steps: [a] } }", "1:1 on: A pipeline that is uploaded to a run has no `on`."],
		["steps: [a]", "A pipeline that is uploaded to a run has no `steps`."],
		["jobs: { a: { stesp: [a] } }", "Unknown key `stesp` in job `a`."],
	])("are validated with the jobs of the run: %s", (text, error) => {
		expect(errorsOf(text).join("\n")).toContain(error);
	});
});
