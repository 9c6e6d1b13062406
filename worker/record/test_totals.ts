import { type TestTotals, testTotals } from "../../schema/wire/resources.ts";

/** The totals of an attempt as they are recorded. Records of before tests could be flaky say nothing of those. */
export function readTotals(json: string): TestTotals {
	return testTotals.parse(JSON.parse(json));
}
