import { expect, test } from "vitest";
import { expectedStarts } from "../../worker/estimates/expected_starts.ts";
import type { QueuedJob } from "../../worker/queue/core/runs/queue_order.ts";

const job = (name: string, fitting = 1): QueuedJob => ({
	job: { id: name, name, queued_at: 0, run_id: "run" },
	run: { number: 1, project: "web", pipeline: "ci", priority: 0 },
	wait: { text: "Waits.", isStuck: fitting === 0 },
	fitting,
});
const usual = (ms: Record<string, number>) => (one: QueuedJob) => ms[one.job.name] ?? null;

test("a queued job starts when a slot gets free, in the order of the queue", () => {
	const jobs = [job("a"), job("b"), job("c")];
	expect(expectedStarts(jobs, { agents: 1, slots: 2, runningMs: [30, 10] }, usual({ a: 50, b: 5, c: 5 }))).toEqual([10, 30, 35]);
	expect(expectedStarts(jobs, { agents: 1, slots: 3, runningMs: [30, 10] }, usual({ a: 50, b: 5, c: 5 }))).toEqual([0, 10, 15]);
});

test("nothing is said where it cannot be known", () => {
	// Without slots, and for a job that only some of the agents can take.
	expect(expectedStarts([job("a")], { agents: 0, slots: 0, runningMs: [] }, usual({ a: 1 }))).toEqual([null]);
	expect(expectedStarts([job("odd"), job("a", 2)], { agents: 2, slots: 1, runningMs: [] }, usual({ a: 1 }))).toEqual([null, 0]);
	// Behind a job whose duration is unknown.
	expect(expectedStarts([job("new"), job("a")], { agents: 1, slots: 1, runningMs: [] }, usual({ a: 1 }))).toEqual([0, null]);
	expect(expectedStarts([job("a")], { agents: 1, slots: 1, runningMs: [null] }, usual({ a: 1 }))).toEqual([null]);
});
