import { expect, test } from "vitest";
import { AGGREGATE_ORDER, aggregateState, JOB_STATES, RUN_STATES } from "../../schema/wire/states.ts";

test("the aggregate order holds every state of jobs and runs once", () => {
	expect(AGGREGATE_ORDER.toSorted()).toEqual([...new Set([...JOB_STATES, ...RUN_STATES])].sort());
});

test.each([
	[["succeeded", "errored", "timed_out", "cancelled", "failed"], "failed"],
	[["cancelled", "errored", "timed_out"], "timed_out"],
	[["cancelled", "errored"], "errored"],
	[["running", "cancelled"], "cancelled"],
	[["succeeded", "queued", "running"], "running"],
	[["succeeded", "waiting"], "waiting"],
	[["skipped", "succeeded"], "succeeded"],
	[["skipped"], "skipped"],
	[[], null],
] as const)("the aggregate state of %j is %s", (states, expected) => {
	expect(aggregateState(states)).toBe(expected);
});
