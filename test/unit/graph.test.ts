import { describe, expect, test } from "vitest";
import type { JobState } from "../../schema/wire/states.ts";
import type { LeaseClaims } from "../../worker/queue/core/leases/attempts.ts";
import { downloadableJobs, startAttempt } from "../../worker/queue/core/leases/attempts.ts";
import { approveJob, declineJob } from "../../worker/queue/core/runs/approvals.ts";
import { cancelJobById, cancelRun } from "../../worker/queue/core/runs/cancel.ts";
import { explainJob, unmetForever } from "../../worker/queue/core/runs/explain.ts";
import { Queue, refusalOf } from "../support/queue.ts";

/** A queue with an agent that takes everything. */
class Stage {
	readonly queue = new Queue();
	readonly agent = this.queue.agent("any", { slots: 1000, labels: ["a", "b"] });
	readonly leases = new Map<string, LeaseClaims>();

	submit(text: string): string {
		return this.queue.submit(text);
	}

	/** Starts everything that waits for an agent. */
	start(): void {
		for (const offer of this.queue.poll(this.agent, 1000)) this.leases.set(offer.job_id, this.queue.start(offer));
	}

	/** Ends a job that runs. */
	finish(runId: string, name: string, state: "succeeded" | "failed" | "errored" | "timed_out" = "succeeded", more: object = {}): void {
		this.start();
		const job = this.queue.jobs(runId).find((one) => one.name === name);
		const lease = this.leases.get(job?.id ?? "");
		if (!lease) throw new Error(`${name} does not run: ${JSON.stringify(this.states(runId))}`);
		const exit_code = state === "failed" ? 1 : 0;
		this.queue.finish(lease, {
			state,
			exit_code,
			reason: state === "succeeded" ? null : { code: "step_failed", text: "It failed." },
			...more,
		});
	}

	/** Name → state, with the reason's code for what is not simply on its way. */
	states(runId: string): Record<string, string> {
		return Object.fromEntries(
			this.queue.jobs(runId).map(({ name, state, reason_code }) => [name, reason_code ? `${state} (${reason_code})` : state]),
		);
	}

	run(runId: string): string {
		const { state, warnings } = this.queue.run(runId);
		return warnings > 0 ? `${state}, ${warnings} warnings` : state;
	}
}

describe("branches", () => {
	test("that do not need each other go on when one fails; what needs it is skipped", () => {
		const stage = new Stage();
		const run = stage.submit("jobs: { a: { steps: [x] }, b: { steps: [x] }, c: { needs: a, steps: [x] }, d: { needs: [b], steps: [x] } }");
		stage.finish(run, "a", "failed");
		expect(stage.states(run)).toMatchObject({ b: "running", c: "skipped (need_failed)", d: "blocked (needs)" });
		stage.finish(run, "b");
		stage.finish(run, "d");
		expect(stage.run(run)).toBe("failed");
	});

	test("fail_fast: of a run, what runs is cancelled, what waits is skipped, what asks for the status stays", () => {
		const stage = new Stage();
		const run = stage.submit(
			"fail_fast: true\njobs: { a: { steps: [x] }, b: { steps: [x] }, c: { needs: b, steps: [x] }, e: { needs: [a, c], if: always(), steps: [x] }, n: { runs_on: [none], steps: [x] } }",
		);
		stage.finish(run, "a", "failed");
		expect(stage.states(run)).toEqual({
			a: "failed (step_failed)",
			b: "cancelling (fail_fast)",
			c: "skipped (fail_fast)",
			e: "blocked (needs)",
			n: "skipped (fail_fast)",
		});
		stage.finish(run, "b");
		stage.finish(run, "e");
		expect(stage.states(run)).toMatchObject({ b: "cancelled (fail_fast)", e: "succeeded" });
		expect(stage.run(run)).toBe("failed");
	});

	test("what asks how others ended waits for what still runs behind a need that was skipped", () => {
		const stage = new Stage();
		const run = stage.submit(
			"jobs: { a: { steps: [x] }, b: { needs: a, if: run.event == 'push', steps: [x] }, late: { needs: b, if: failure(), steps: [x] }, plain: { needs: b, steps: [x] } }",
		);
		stage.start();
		expect(stage.states(run)).toEqual({ a: "running", b: "skipped (condition)", late: "blocked (needs)", plain: "skipped (need_failed)" });
		const late = stage.queue.job(run, "late");
		expect(explainJob(stage.queue.core, late.id)?.summary).toBe("Waits for a.");
		stage.finish(run, "a", "failed");
		expect(stage.states(run)).toMatchObject({ late: "queued" });
	});

	test("fail_fast: of a matrix, its other variants alone", () => {
		const stage = new Stage();
		const run = stage.submit("jobs: { m: { matrix: { n: [1, 2], fail_fast: true }, steps: [x] }, o: { steps: [x] } }");
		stage.finish(run, "m (1)", "failed");
		expect(stage.states(run)).toMatchObject({ "m (2)": "cancelling (fail_fast)", o: "running" });
	});

	test("without fail_fast the other variants go on; a dependent waits for all, or for the one that it selects", () => {
		const stage = new Stage();
		const run = stage.submit(
			"jobs: { m: { matrix: { n: [1, 2] }, steps: [x] }, all: { needs: m, steps: [x] }, one: { needs: { job: m, matrix: { n: 2 } }, steps: [x] } }",
		);
		stage.finish(run, "m (2)");
		expect(stage.states(run)).toMatchObject({ all: "blocked (needs)", one: "queued" });
		stage.finish(run, "m (1)", "failed");
		expect(stage.states(run)).toMatchObject({ all: "skipped (need_failed)" });
	});

	test("a failure that is allowed is a warning, and lets the others go on", () => {
		const stage = new Stage();
		const run = stage.submit(
			"jobs: { a: { allow_failure: true, steps: [x] }, b: { needs: a, steps: [x] }, f: { needs: a, if: failure(), steps: [x] } }",
		);
		stage.finish(run, "a", "failed");
		expect(stage.states(run)).toMatchObject({ a: "failed (step_failed)", b: "queued", f: "skipped (condition)" });
		stage.finish(run, "b");
		expect(stage.run(run)).toBe("succeeded, 1 warnings");
	});
});

describe("conditions", () => {
	test("that are false from the beginning skip at once, with what needs them", () => {
		const stage = new Stage();
		const run = stage.submit(
			'params: { p: { default: x } }\njobs: { a: { if: params.p == "q", steps: [x] }, b: { needs: a, steps: [x] }, c: { needs: [a], if: always(), steps: [x] } }',
		);
		expect(stage.states(run)).toEqual({ a: "skipped (condition)", b: "skipped (need_failed)", c: "queued" });
		const number = stage.submit("params: { n: { type: number, default: 1 } }\nif: params.n + 0.5 > 1.0\nsteps: [x]");
		expect(stage.states(number)).toEqual({ main: "queued" });
		const none = stage.submit('if: run.branch == "main"\nsteps: [x]');
		expect(stage.run(none)).toBe("skipped");
	});

	test("failure() sees what failed further up; results and outputs of needs are known when they have ended", () => {
		const stage = new Stage();
		const run = stage.submit(
			'jobs: { a: { outputs: [v], steps: [x] }, b: { needs: a, if: needs.a.outputs.v == "go", env: { V: "got ${{ needs.a.outputs.v }}" }, steps: [x] }, c: { needs: b, steps: [x] }, d: { needs: c, if: failure(), steps: [x] } }',
		);
		stage.finish(run, "a", "succeeded", { outputs: { v: "go", undeclared: "x" } });
		expect(stage.queue.job(run, "a").outputs).toBe('{"v":"go"}');
		stage.start();
		const lease = stage.leases.get(stage.queue.job(run, "b").id) as LeaseClaims;
		expect(startAttempt(stage.queue.core, lease).definition.env).toEqual({ V: "got go" });
		stage.finish(run, "b", "failed");
		expect(stage.states(run)).toMatchObject({ c: "skipped (need_failed)", d: "queued" });
	});

	test("one that cannot be evaluated ends the job as errored, not the queue", () => {
		const stage = new Stage();
		const run = stage.submit(
			"jobs: { a: { outputs: [count], steps: [x] }, b: { needs: a, if: int(needs.a.outputs.count) > 1, steps: [x] }, c: { needs: b, steps: [x] } }",
		);
		stage.finish(run, "a", "succeeded", { outputs: { count: "many" } });
		expect(stage.states(run)).toMatchObject({ b: "errored (config_invalid)", c: "skipped (need_failed)" });
		expect(stage.run(run)).toBe("errored");
		const image = stage.submit(
			"jobs: { a: { outputs: [i], steps: [x] }, b: { needs: a, container: '${{ needs.a.outputs.i }}', steps: [x] } }",
		);
		stage.finish(image, "a", "succeeded", { outputs: { i: "; rm -rf /" } });
		expect(stage.states(image)).toMatchObject({ b: "errored (config_invalid)" });
	});
});

test("retry: of some exit codes only", () => {
	const stage = new Stage();
	const run = stage.submit("retry: { attempts: 3, exit_codes: [75] }\nsteps: [x]");
	stage.finish(run, "main", "failed", { exit_code: 75 });
	expect(stage.states(run)).toEqual({ main: "blocked (backoff)" });
	stage.queue.pass(2_000);
	stage.finish(run, "main", "failed", { exit_code: 1 });
	expect(stage.states(run)).toEqual({ main: "failed (step_failed)" });
});

test("the time of a run: counted from its first start, ends what runs and what waits", () => {
	const stage = new Stage();
	const run = stage.submit("timeout: 30s\njobs: { a: { steps: [x] }, b: { needs: a, steps: [x] } }");
	stage.queue.pass(60_000);
	stage.start();
	for (let second = 0; second < 31; second += 1) {
		stage.queue.pass(1_000);
		stage.queue.renew(
			stage.agent,
			[...stage.leases.values()].map(({ attemptId }) => attemptId),
		);
	}
	expect(stage.states(run)).toEqual({ a: "cancelling (run_timed_out)", b: "cancelled (run_timed_out)" });
	stage.finish(run, "a");
	expect(stage.run(run)).toBe("timed_out");
	expect(stage.queue.run(run).reason_text).toBe("The run took longer than 30s.");
});

describe("approvals of jobs", () => {
	const text =
		"jobs: { a: { steps: [x] }, d: { needs: a, approval: { timeout: 10m, message: Ship it? }, steps: [x] }, e: { needs: d, steps: [x] } }";

	test("the run waits when nothing else is left; approved, it goes on", () => {
		const stage = new Stage();
		const run = stage.submit(text);
		const gate = stage.queue.job(run, "d").id;
		expect(refusalOf(() => approveJob(stage.queue.core, gate, { name: "ada", role: "admin", isPerson: true }, null))).toBe("conflict");
		stage.finish(run, "a");
		expect([stage.run(run), stage.states(run).d]).toEqual(["waiting", "blocked (approval)"]);
		expect(explainJob(stage.queue.core, gate)?.summary).toBe("Waits for an approval (within 10m): Ship it?");
		expect(refusalOf(() => approveJob(stage.queue.core, gate, { name: "eve", role: "viewer", isPerson: true }, null))).toBe("forbidden");
		approveJob(stage.queue.core, gate, { name: "ada", role: "admin", isPerson: true }, null);
		approveJob(stage.queue.core, gate, { name: "bob", role: "admin", isPerson: true }, null);
		expect(stage.queue.job(run, "d")).toMatchObject({ state: "queued", approved_by: "ada" });
		expect(refusalOf(() => declineJob(stage.queue.core, gate, { name: "bob", role: "admin", isPerson: true }, null))).toBe("conflict");
		expect(stage.run(run)).toBe("running");
	});

	test("declined, or left alone for too long, the job is cancelled and what needs it skipped", () => {
		const stage = new Stage();
		const declined = stage.submit(text);
		stage.finish(declined, "a");
		declineJob(stage.queue.core, stage.queue.job(declined, "d").id, { name: "bob", role: "admin", isPerson: true }, "not today");
		expect(stage.queue.job(declined, "d").reason_text).toBe("Declined by bob: not today.");
		expect([stage.run(declined), stage.states(declined).e]).toEqual(["cancelled", "skipped (need_failed)"]);
		const late = stage.submit(text);
		stage.finish(late, "a");
		stage.queue.pass(11 * 60_000);
		expect(stage.states(late).d).toBe("cancelled (approval_timed_out)");
	});
});

describe("concurrency", () => {
	const jobs = (more: string) => `jobs: { d: { concurrency: { group: deploy${more} }, steps: [x] } }`;

	test("of jobs: so many at once over all runs, in their order; the explanation names the holder", () => {
		const stage = new Stage();
		const [first, second, third] = [1, 2, 3].map(() => stage.submit(jobs(", limit: 2"))) as [string, string, string];
		stage.start();
		expect([first, second, third].map((run) => stage.states(run).d)).toEqual(["running", "running", "queued"]);
		expect(explainJob(stage.queue.core, stage.queue.job(third, "d").id)?.summary).toBe(
			"Waits for the group deploy, held by d of run #1, d of run #2.",
		);
		stage.finish(first, "d");
		stage.start();
		expect(stage.states(third).d).toBe("running");
		const other = stage.queue.submit(jobs(", limit: 2"), "elsewhere");
		stage.start();
		expect(stage.states(other).d).toBe("running");
	});

	test("of jobs: the newest cancels what is in progress, and waits for its end", () => {
		const stage = new Stage();
		const [first, second] = [stage.submit(jobs(", cancel_in_progress: true")), ""];
		stage.start();
		const newest = stage.submit(jobs(", cancel_in_progress: true")) || second;
		expect([stage.states(first).d, stage.states(newest).d]).toEqual(["cancelling (superseded)", "queued"]);
		stage.start();
		expect(stage.states(newest).d).toBe("queued");
		stage.finish(first, "d");
		stage.start();
		expect(stage.states(newest).d).toBe("running");
	});

	const runs = (more = "", job = "") =>
		`concurrency: { group: "g-\${{ run.project }}"${more} }\njobs: { a: { ${job}steps: [x] }, b: { needs: a, steps: [x] } }`;

	test("of runs: one after the other, those of a higher priority first", () => {
		const stage = new Stage();
		const first = stage.submit(runs());
		const second = stage.submit(runs());
		const urgent = stage.submit(`priority: 5\n${runs()}`);
		expect(stage.states(second).a).toBe("blocked (concurrency)");
		expect(explainJob(stage.queue.core, stage.queue.job(second, "a").id)?.summary).toBe(
			"Waits for the group g-adhoc: pipeline #1 holds it.",
		);
		stage.finish(first, "a");
		stage.finish(first, "b");
		expect([stage.states(urgent).a, stage.states(second).a]).toEqual(["queued", "blocked (concurrency)"]);
		cancelRun(stage.queue.core, urgent, "ada");
		expect(stage.states(second).a).toBe("queued");
	});

	test("of runs: superseded ones are cancelled, those that wait as well", () => {
		const stage = new Stage();
		const first = stage.submit(runs());
		const second = stage.submit(runs());
		const third = stage.submit(runs(", cancel_in_progress: true"));
		expect([stage.run(first), stage.run(second), stage.states(third).a]).toEqual(["cancelled", "cancelled", "queued"]);
		expect(stage.queue.run(first).reason_text).toContain("Superseded by run #3.");
	});

	test("of runs: a run that waits for an approval releases its slot, unless the group holds it", () => {
		const stage = new Stage();
		const gated = stage.submit(runs("", "approval: true, "));
		const other = stage.submit(runs());
		expect([stage.run(gated), stage.states(other).a]).toEqual(["waiting", "queued"]);
		approveJob(stage.queue.core, stage.queue.job(gated, "a").id, { name: "ada", role: "admin", isPerson: true }, null);
		expect(stage.states(gated).a).toBe("blocked (concurrency)");
		const text =
			"concurrency: { group: held, hold_during_approval: true }\njobs: { a: { steps: [x] }, b: { needs: a, approval: true, steps: [x] } }";
		const holding = stage.submit(text);
		stage.finish(holding, "a");
		const waiting = stage.submit(text);
		expect([stage.run(holding), stage.states(waiting).a]).toEqual(["waiting", "blocked (concurrency)"]);
	});
});

describe("reruns", () => {
	const text =
		"jobs: { a: { outputs: [v], artifacts: { save: f }, steps: [x] }, b: { needs: a, artifacts: { fetch: a }, env: { V: '${{ needs.a.outputs.v }}' }, steps: [x] } }";

	test("what is taken over is not run again; its outputs and files serve those that are", () => {
		const stage = new Stage();
		const first = stage.submit(text);
		stage.finish(first, "a", "succeeded", { outputs: { v: "1" } });
		stage.finish(first, "b", "failed");
		const a = stage.queue.job(first, "a");
		const again = stage.queue.submit(text, "adhoc", {
			rerun: {
				of: first,
				reused: [{ position: 0, state: "succeeded", reason: null, outputs: a.outputs, resultAttempt: a.result_attempt, exitCode: 0 }],
			},
			commit: { sha: "c".repeat(40), message: "m", author: "x", branch: "main", tag: null },
		});
		expect(stage.states(again)).toEqual({ a: "succeeded (reused)", b: "queued" });
		stage.start();
		const lease = stage.leases.get(stage.queue.job(again, "b").id) as LeaseClaims;
		expect(startAttempt(stage.queue.core, lease).definition.env).toEqual({ V: "1" });
		expect(startAttempt(stage.queue.core, lease).run).toMatchObject({ commit_sha: "c".repeat(40), rerun_of: first });
		expect(downloadableJobs(stage.queue.core, lease, null)).toEqual([
			{ name: "a", state: "succeeded", attemptId: a.result_attempt, paths: [], into: null },
		]);
		stage.finish(again, "b");
		expect(stage.run(again)).toBe("succeeded");
	});
});

test("files of a job that is not over, which an earlier version accepted, are rejected rather than given in part", () => {
	const stage = new Stage();
	const run = stage.submit(
		"jobs: { b: { matrix: { n: [1, 2] }, artifacts: { save: f }, steps: [x] }, d: { needs: { job: b, matrix: { n: 1 } }, artifacts: { fetch: { job: b, matrix: { n: 1 } } }, steps: [x] } }",
	);
	stage.queue.sql.all(
		`UPDATE definitions SET json = replace(json, '"fetch":[{"key":"b","matrix":{"n":"1"}', '"fetch":[{"key":"b","matrix":null')`,
	);
	stage.queue.core.definitions.clear();
	stage.finish(run, "b (1)");
	stage.start();
	const lease = stage.leases.get(stage.queue.job(run, "d").id) as LeaseClaims;
	expect(() => downloadableJobs(stage.queue.core, lease, null)).toThrow(
		"The files of job b (2) cannot be fetched: the job has not ended yet.",
	);
	stage.finish(run, "b (2)");
	expect(downloadableJobs(stage.queue.core, lease, null).map(({ name }) => name)).toEqual(["b (1)", "b (2)"]);
});

describe("agents", () => {
	test("get the jobs whose requirements they meet; a job that no agent can run says so at once", () => {
		const queue = new Queue();
		const run = queue.submit(
			"jobs: { n: { runs_on: { tools: { node: '>=24' } }, steps: [x] }, c: { container: img, steps: [x] }, any: { steps: [x] } }",
		);
		expect(unmetForever(queue.core, run)).toEqual([
			"The job n cannot start yet: no agent is registered.",
			"The job c cannot start yet: no agent is registered.",
			"The job any cannot start yet: no agent is registered.",
		]);
		const old = queue.agent("old", { slots: 5, capabilities: { tools: { node: "22.1.0" } } });
		expect(queue.poll(old, 5).map(({ job_id }) => queue.jobs(run).find(({ id }) => id === job_id)?.name)).toEqual(["any"]);
		expect(unmetForever(queue.core, run)).toEqual([
			"The job n cannot start: no agent has node >=24 (old has node 22.1.0, not >=24).",
			"The job c cannot start: no agent has a container runtime (old has no container runtime).",
		]);
		queue.agent("new", { capabilities: { tools: { node: "24.2.0" }, container: "docker 26" } });
		expect(unmetForever(queue.core, run)).toEqual([]);
	});
});

test("a cancel of one job lets what does not need it go on", () => {
	const stage = new Stage();
	const run = stage.submit("jobs: { a: { steps: [x] }, b: { needs: a, steps: [x] }, c: { needs: a, if: always(), steps: [x] } }");
	cancelJobById(stage.queue.core, stage.queue.job(run, "a").id, "ada");
	expect(stage.states(run)).toEqual({ a: "cancelled (cancelled)", b: "skipped (need_failed)", c: "queued" } satisfies Record<
		string,
		JobState | string
	>);
});
