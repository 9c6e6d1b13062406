import { describe, expect, test } from "vitest";
import { NO_CAPABILITIES } from "../../schema/wire/requirements.ts";
import { closeSession, openSession } from "../../worker/queue/core/agents/agents.ts";
import { readOverview } from "../../worker/queue/core/reads.ts";
import { explainRuns } from "../../worker/queue/core/runs/explain.ts";
import { moveToFront, readQueue } from "../../worker/queue/core/runs/queue_order.ts";
import { Queue, SETTINGS } from "../support/queue.ts";

const HELLO = {
	...{ protocol: 2, session: 2, instance: "again", running: [] },
	facts: { version: "1", slots: 1, labels: [], facts: {}, capabilities: NO_CAPABILITIES },
};

const names = (queue: Queue) => readQueue(queue.core, 10).jobs.map(({ run }) => run.number);

describe("the queue as a list", () => {
	test("has the jobs in their order, by priority and then by age, with the reason of each wait", () => {
		const queue = new Queue();
		for (const yaml of ["steps: [a]", "{ steps: [a], priority: 10 }", "{ steps: [a], runs_on: [gpu] }"]) queue.submit(yaml);
		expect(names(queue)).toEqual([2, 1, 3]);
		queue.agent("one");
		const { total, jobs } = readQueue(queue.core, 2);
		expect([total, jobs.length]).toEqual([3, 2]);
		const waits = readQueue(queue.core, 10).jobs.map(({ wait }) => wait);
		expect(waits.map((wait) => wait?.isStuck)).toEqual([false, false, true]);
		expect(waits[2]?.text).toContain("gpu");
	});

	test("a job is moved before the others of its priority, and is taken first", () => {
		const queue = new Queue();
		const [first, , third] = ["steps: [a]", "steps: [b]", "steps: [c]"].map((yaml) => queue.submit(yaml));
		const moved = queue.job(third as string);
		moveToFront(queue.core, moved.id);
		expect(names(queue)).toEqual([3, 1, 2]);
		// A second time changes nothing.
		moveToFront(queue.core, moved.id);
		expect(names(queue)).toEqual([3, 1, 2]);
		queue.take(queue.agent("one"));
		expect([queue.job(third as string).state, queue.job(first as string).state]).toEqual(["running", "queued"]);
		expect(names(queue)).toEqual([1, 2]);
	});

	test("a job that does not wait is not moved", () => {
		const queue = new Queue();
		const run = queue.submit("{ jobs: { a: { steps: [x] }, b: { needs: a, steps: [x] } } }");
		const blocked = queue.jobs(run).find(({ key }) => key === "b");
		expect(() => moveToFront(queue.core, blocked?.id ?? "")).toThrow("does not wait for an agent");
		expect(() => moveToFront(queue.core, "job_none")).toThrow();
	});
});

describe("what a run waits for", () => {
	test("is said of runs that do not go on; a run that no agent can take is stuck", () => {
		const queue = new Queue();
		const [plain, odd] = ["steps: [a]", "{ steps: [a], runs_on: [gpu] }"].map((yaml) => queue.submit(yaml)) as [string, string];
		const agent = queue.agent("one");
		const waits = explainRuns(queue.core, [plain, odd, "run_none"]);
		expect(Object.keys(waits).sort()).toEqual([plain, odd].sort());
		expect([waits[plain]?.isStuck, waits[odd]?.isStuck]).toEqual([false, true]);
		queue.take(agent);
		expect(Object.keys(explainRuns(queue.core, [plain, odd]))).toEqual([odd]);
	});

	test("the overview counts queued and running jobs, and agents", () => {
		const queue = new Queue();
		queue.submit("steps: [a]");
		queue.submit("steps: [b]");
		const agent = queue.agent("one");
		queue.take(agent);
		expect(readOverview(queue.core)).toEqual({ queued: 1, running: 1, online: 1, lost: 0, pause: null });
		// It falls silent without a goodbye.
		queue.pass(SETTINGS.agentSilentMs + 1_000);
		expect(readOverview(queue.core)).toMatchObject({ online: 0, lost: 1 });
		openSession(queue.core, agent, "one", HELLO);
		closeSession(queue.core, agent, "one", 2);
		expect(readOverview(queue.core)).toMatchObject({ online: 0, lost: 0 });
	});
});
