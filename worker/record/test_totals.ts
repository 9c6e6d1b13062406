import { type TestTotals, testTotals } from "../../schema/wire/resources.ts";

/** The recorded totals of an attempt. Older records have no number of flaky tests. */
export function readTotals(json: string): TestTotals {
	return testTotals.parse(JSON.parse(json));
}
