import { expect, test } from "vitest";
import type { Job } from "../../schema/wire/resources.ts";
import { barsOf, type Move } from "../../worker/runs/pages/timeline_bars.ts";

const time = (at: number) => new Date(at).toISOString();

/** A job whose attempts began and ended at these times; null for one that goes on. */
function job(attempts: [number, number | null][], more: { queued: number | null; finished: number | null }): Job {
	return {
		created_at: time(1000),
		queued_at: more.queued === null ? null : time(more.queued),
		finished_at: more.finished === null ? null : time(more.finished),
		attempts: attempts.map(([from, to]) => ({ started_at: time(from), finished_at: to === null ? null : time(to) })),
	} as Job;
}

const told = (of: Job, moves: Move[], now = 9000) => barsOf(of, moves, now).map(({ kind, from, to }) => `${kind} ${from}-${to}`);

test("each attempt of a job has its bar, with what came before it: the wait, the queue, the offer", () => {
	const moves: Move[] = [
		{ to: "queued", at: 2000 },
		{ to: "offered", at: 2500 },
		{ to: "queued", at: 5001 },
		{ to: "offered", at: 5200 },
	];
	const twice: [number, number][] = [
		[2600, 4000],
		[5300, 6000],
	];
	expect(told(job(twice, { queued: 5000, finished: 6001 }), moves)).toEqual([
		"waited 1000-2000",
		"queued 2000-2500",
		"offered 2500-2600",
		"ran 2600-4000",
		"waited 4000-5001",
		"queued 5001-5200",
		"offered 5200-5300",
		"ran 5300-6000",
	]);
	// Of what is not recorded yet the job itself says when it was queued last.
	expect(told(job(twice, { queued: 5000, finished: 6001 }), []).slice(2)).toEqual([
		"waited 4000-5000",
		"queued 5000-5300",
		"ran 5300-6000",
	]);
});

test("what goes on reaches to now, or to the end of the job, also if that ended while it waited", () => {
	expect(told(job([[2000, null]], { queued: 1000, finished: null }), [])).toEqual(["queued 1000-2000", "ran 2000-9000"]);
	expect(told(job([[2000, 3000]], { queued: 1000, finished: null }), [])).toEqual([
		"queued 1000-2000",
		"ran 2000-3000",
		"waited 3000-9000",
	]);
	expect(told(job([[2000, 3000]], { queued: 1000, finished: 4000 }), [])).toEqual([
		"queued 1000-2000",
		"ran 2000-3000",
		"waited 3000-4000",
	]);
	expect(told(job([], { queued: null, finished: 4000 }), [])).toEqual(["waited 1000-4000"]);
});
