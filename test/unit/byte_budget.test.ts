import { expect, test, vi } from "vitest";
import { ByteBudget } from "../../worker/http/byte_budget.ts";

/** Whether a promise is settled once all that is due now has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
	let settled = false;
	const note = () => {
		settled = true;
	};
	promise.then(note, note);
	await new Promise((resolve) => setImmediate(resolve));
	return settled;
}

test("what is beyond the budget waits until there is room; the first reader never waits", async () => {
	const budget = new ByteBudget(100, 1_000);
	const [first, second] = [budget.begin(), budget.begin()];
	await first.take(60);
	await second.take(40);
	const waiting = second.take(30);
	expect(await isSettled(waiting)).toBe(false);
	await first.take(500);
	expect(await isSettled(waiting)).toBe(false);
	first.release();
	await waiting;
});

test("room that is given back while more is asked for stays given back", async () => {
	const budget = new ByteBudget(100, 1_000);
	const [first, late] = [budget.begin(), budget.begin()];
	await first.take(100);
	const asked = late.take(50);
	late.release();
	first.release();
	await expect(asked).rejects.toMatchObject({ code: "unavailable" });
	const [third, fourth] = [budget.begin(), budget.begin()];
	await third.take(50);
	await fourth.take(50);
});

test("a reader that was left behind loses its room in time, and is not the first for ever", async () => {
	vi.useFakeTimers({ toFake: ["Date"] });
	try {
		const budget = new ByteBudget(100, 1_000);
		await budget.begin().take(100);
		vi.setSystemTime(Date.now() + 1_001);
		const [next, another] = [budget.begin(), budget.begin()];
		await next.take(60);
		await another.take(40);
	} finally {
		vi.useRealTimers();
	}
});
