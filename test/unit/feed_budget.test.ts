import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FeedBudget } from "../../worker/platform/feed_budget.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Takes turns that cost so much each. @returns when each came, in milliseconds */
function turns(budget: FeedBudget, count: number, cost: number): number[] {
	const from = Date.now();
	const at: number[] = [];
	for (let turn = 0; turn < count; turn += 1) {
		void budget.turn().then(() => {
			budget.spend(cost);
			at.push(Date.now() - from);
		});
	}
	return at;
}

test("a few followers are answered at once", async () => {
	const at = turns(new FeedBudget(Date.now), 20, 2);
	await vi.advanceTimersByTimeAsync(0);
	expect(at).toEqual(Array.from({ length: 20 }, () => 0));
});

test("many followers take a quarter of the time, one after the other", async () => {
	const at = turns(new FeedBudget(Date.now), 1_000, 2);
	await vi.advanceTimersByTimeAsync(20_000);
	expect(at).toHaveLength(1_000);
	expect(at).toEqual([...at].sort((a, b) => a - b));
	const last = at.at(-1) ?? 0;
	expect(last / (1_000 * 2)).toBeGreaterThan(3.5);
	expect(last / (1_000 * 2)).toBeLessThan(4.5);
});

test("a clock that is stepped back stops nobody", async () => {
	let now = 1_000_000;
	const budget = new FeedBudget(() => now);
	budget.spend(60);
	now = 0;
	const turn = budget.turn();
	await vi.advanceTimersByTimeAsync(100);
	await expect(turn).resolves.toBeUndefined();
});
