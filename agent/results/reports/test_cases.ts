import type { TestCase } from "../../../schema/wire/resources.ts";
import { ReportError } from "./report_error.ts";

/** The rules that all readers of test reports share. */

/** A report may hold so many; far fewer are kept. */
export const MAX_READ_CASES = 500_000;

/** A case with nothing but its state and a message. */
export function plainCase(suite: string, name: string, state: TestCase["state"], message: string | null = null): TestCase {
	return { suite, name, state, flaky: false, duration_ms: 0, file: null, message, output: null };
}

/** Adds a case to those of a report. @throws ReportError if they are too many */
export function addCase(cases: TestCase[], one: TestCase): void {
	if (cases.length >= MAX_READ_CASES) throw new ReportError(`it holds more than ${MAX_READ_CASES} tests. Split it.`);
	cases.push(one);
}

/**
 * Makes one case of the tries of each test. A test that failed and then passed is flaky: it keeps
 * the message of its failure. One that passed and then failed has failed. Only cases that were
 * reported side by side may be tries of one test: elsewhere, two tests can have one name.
 */
export function foldRetries(cases: readonly TestCase[]): TestCase[] {
	const folded: (TestCase | null)[] = [];
	/** By test: where its failed tries are. */
	const failures = new Map<string, number[]>();
	for (const one of cases) {
		const key = JSON.stringify([one.suite, one.name, one.file]);
		const places = failures.get(key);
		const first = places?.[0];
		if (one.state === "failed") {
			if (places) places.push(folded.length);
			else failures.set(key, [folded.length]);
		}
		if (one.state !== "passed" || places === undefined || first === undefined) {
			folded.push(one);
			continue;
		}
		const failed = folded[first] as TestCase;
		for (const place of places) folded[place] = null;
		folded[first] = flakyCase(one, failed);
		failures.delete(key);
	}
	return folded.filter((one) => one !== null);
}

/** A passed case with what a failed try of it said. */
function flakyCase(passed: TestCase, failed: Pick<TestCase, "duration_ms" | "message" | "output">): TestCase {
	const duration_ms = passed.duration_ms + failed.duration_ms;
	return { ...passed, flaky: true, duration_ms, message: failed.message, output: failed.output };
}
