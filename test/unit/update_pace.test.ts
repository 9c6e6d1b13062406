import { describe, expect, test } from "vitest";
import { UpdatePace } from "../../worker/ui/update_pace.ts";

describe("the pace of a page's updates", () => {
	/** Sends updates of one size for a minute. @returns the time and size of all of them */
	function minuteOf(bytes: number): { at: number; bytes: number }[] {
		let now = 0;
		const pace = new UpdatePace(() => now);
		const sent: { at: number; bytes: number }[] = [];
		while (now < 60_000) {
			now += pace.waitMs;
			pace.spend(bytes);
			sent.push({ at: now, bytes });
		}
		return sent;
	}
	const sum = (sent: readonly { bytes: number }[]) => sent.reduce((all, { bytes }) => all + bytes, 0);

	test("is two in a second for small updates", () => {
		expect(minuteOf(500).length).toBe(120);
	});

	test.each([1_000, 2_000, 4_000])("moves less than 100 kB in a minute of changes, in updates of %i bytes", (bytes) => {
		const sent = minuteOf(bytes);
		expect(sum(sent)).toBeLessThan(100_000 + bytes);
		// The first seconds are as lively as those of a quiet page.
		expect(sent[4]?.at).toBe(2_500);
	});

	test("never waits more than five seconds, even after a large update", () => {
		let now = 0;
		const pace = new UpdatePace(() => now);
		pace.spend(1_000_000);
		expect(pace.waitMs).toBe(5_000);
		now = 5_000;
		expect(pace.waitMs).toBe(500);
	});

	test("is not disturbed by a clock that is stepped back", () => {
		let now = 10_000;
		const pace = new UpdatePace(() => now);
		pace.spend(30_000);
		now = 0;
		expect(pace.waitMs).toBe(5_000);
	});
});
