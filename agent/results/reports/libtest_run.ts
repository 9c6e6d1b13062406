import type { TestCase } from "../../../schema/wire/resources.ts";
import { durationOf } from "./numbers.ts";
import { RecentText } from "./recent_text.ts";
import { ReportError } from "./report_error.ts";
import { addCase, plainCase } from "./test_cases.ts";

/** One run of a test binary of libtest: from "running 3 tests" to "test result". */

const BINARY = "(binary)";

export class LibtestRun {
	readonly #suite: string;
	readonly #planned: number | null;
	readonly #cases: TestCase[] = [];
	/** Tests that have begun and not ended, in their order. */
	readonly #running = new Set<string>();
	/** The output of failed tests, by their names. The text prints it after all tests have ended. */
	readonly #outputs = new Map<string, RecentText>();
	#output: RecentText | null = null;
	/** Whether the next lines name the failed tests. */
	#isListing = false;
	readonly #listed = new Set<string>();

	constructor(suite: string, planned: number | null) {
		this.#suite = suite;
		this.#planned = planned;
	}

	beginTest(name: string): void {
		this.#running.add(name);
	}

	/**
	 * @param name null for the only test that is running: without capture, its result is on a line of
	 * its own
	 */
	endTest(name: string | null, state: TestCase["state"], seconds: number | null, text: string | null): void {
		const [only] = this.#running;
		const ended = name ?? (this.#running.size === 1 ? (only as string) : null);
		if (ended === null) return;
		this.#running.delete(ended);
		const said = { message: firstWords(text), output: state === "failed" ? text : null };
		addCase(this.#cases, { ...plainCase(this.#suite, ended, state), ...said, duration_ms: durationOf(seconds) });
	}

	/**
	 * A line that is not a result: a part of the output of a failed test, or of the list of failed
	 * tests.
	 */
	readLine(line: string): void {
		const [, name] = /^---- (\S.*) stdout ----$/.exec(line) ?? [];
		if (name !== undefined) {
			this.#output = new RecentText();
			this.#outputs.set(name, this.#output);
		} else if (line === "failures:") {
			this.#output = null;
			this.#isListing = true;
		} else if (this.#output) this.#output.add(`${line}\n`);
		else if (this.#isListing && line.startsWith("    ")) this.#listed.add(line.trim());
	}

	/**
	 * The cases, when the run is over.
	 * @param totals the totals that the binary prints at its end; null if it never ended
	 * @param outside the lines outside of runs
	 */
	end(totals: { passed: number; failed: number } | null, outside: string): TestCase[] {
		for (const name of this.#running) this.#endUnended(name, totals !== null);
		for (const one of this.#cases) {
			const output = one.state === "failed" ? this.#outputs.get(one.name)?.text : undefined;
			if (output === undefined) continue;
			one.output ??= output;
			one.message ??= firstWords(output);
		}
		const failed = this.#cases.filter(({ state }) => state === "failed").length;
		if (totals && this.#cases.length === 0 && totals.passed > 0) {
			throw new ReportError("its tests have no names. Leave --quiet out of the arguments of cargo test.");
		}
		const problem = this.#problem(totals, failed);
		if (problem !== null) addCase(this.#cases, { ...plainCase(this.#suite, BINARY, "failed", problem), output: outside || null });
		return this.#cases;
	}

	/**
	 * A test whose result was lost among what it printed passed, if the binary came to its end and
	 * does not list it.
	 */
	#endUnended(name: string, isOver: boolean): void {
		const hasFailed = !isOver || this.#listed.has(name);
		const message = isOver ? null : "The test began and never ended.";
		addCase(this.#cases, plainCase(this.#suite, name, hasFailed ? "failed" : "passed", message));
	}

	#problem(totals: { passed: number; failed: number } | null, failed: number): string | null {
		if (totals) return totals.failed > failed ? `${totals.failed} tests failed, and ${failed} of them are named.` : null;
		if (failed > 0) return null;
		return this.#planned === null ? "The tests never ended." : `${this.#planned} tests began, and the report ends before they did.`;
	}
}

/**
 * The location of a panic and the next line, which has the reason; without a panic, the first line.
 */
function firstWords(text: string | null): string | null {
	const lines = (text ?? "").split("\n", 10_000).map((line) => line.trim());
	const panic = lines.findIndex((line) => line.startsWith("thread '") && line.includes(" panicked at "));
	const first = panic === -1 ? lines.findIndex((line) => line !== "") : panic;
	if (first === -1) return null;
	const count = lines[first]?.endsWith(":") ? 2 : 1;
	return lines.slice(first, first + count).join(" ");
}
