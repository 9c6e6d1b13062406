import type { TestCase } from "../../../schema/wire/resources.ts";
import { stateOfAttributes } from "./junit_states.ts";
import { durationOf, readNumber } from "./numbers.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, foldRetries, plainCase } from "./test_cases.ts";
import { scanXml, type XmlHandler } from "./xml_scanner.ts";

/**
 * JUnit's XML, as many tools write it: https://github.com/testmoapp/junitxml describes what is common
 * to them.
 */

const MAX_DEPTH = 20;
/** The case that stands for a suite that failed beside its cases. */
const SUITE = "(suite)";

/**
 * The elements of a case or a suite with its result. Surefire: a test with flakyFailure passed in
 * the end, one with failure did not.
 */
const PARTS: Readonly<Record<string, keyof Parts>> = {
	failure: "failures",
	error: "failures",
	flakyFailure: "retries",
	flakyError: "retries",
	rerunFailure: "retries",
	rerunError: "retries",
	skipped: "skipped",
	disabled: "skipped",
	ignored: "skipped",
	"system-out": "outputs",
	"system-err": "outputs",
};

/** The root elements of other formats. */
const OTHER_ROOTS: Readonly<Record<string, string>> = {
	TestRun: "It is a TRX report: name it under `trx`.",
	coverage: "It is a coverage report: name it under `coverage`.",
	"test-run": "It is a report of NUnit 3: write JUnit or TRX instead.",
	"test-results": "It is a report of NUnit 2: write JUnit or TRX instead.",
	assemblies: "It is a report of xUnit.net: write JUnit or TRX instead.",
};

interface Part {
	message: string;
	text: string;
}

interface Parts {
	failures: Part[];
	retries: Part[];
	skipped: Part[];
	outputs: Part[];
}

interface OpenElement {
	depth: number;
	attributes: ReadonlyMap<string, string>;
	parts: Parts;
}

interface Suite extends OpenElement {
	name: string;
	cases: TestCase[];
	/** Elements that stand for a failure, in it and in the suites inside. */
	shown: number;
	/** Cases that have failed in the end, in it and in the suites inside. */
	failed: number;
}

/** The cases of a report. @throws ReportError if it is not a JUnit report */
export async function readJunit(file: ReportFile): Promise<TestCase[]> {
	return parseJunit(await file.xml());
}

/** The cases of a document. @throws ReportError if it is not a JUnit report */
export function parseJunit(text: string): TestCase[] {
	const reader = new JunitReader();
	scanXml(text, reader);
	return reader.cases;
}

class JunitReader implements XmlHandler {
	readonly cases: TestCase[] = [];
	readonly #suites: Suite[] = [];
	#case: OpenElement | null = null;
	#part: { depth: number; part: Part; texts: string[] } | null = null;
	#depth = 0;

	open(name: string, attributes: ReadonlyMap<string, string>): void {
		this.#depth += 1;
		if (this.#depth === 1 && name !== "testsuites" && name !== "testsuite") {
			throw new ReportError(`it has neither testsuites nor testsuite, but ${name}. ${OTHER_ROOTS[name] ?? "Write JUnit XML."}`);
		}
		if (this.#part) return;
		const opened = { depth: this.#depth, attributes, parts: { failures: [], retries: [], skipped: [], outputs: [] } };
		const kind = PARTS[name];
		const owner = this.#case ?? this.#suites.at(-1);
		if (kind !== undefined && owner) {
			const part = { message: attributes.get("message") ?? "", text: "" };
			owner.parts[kind].push(part);
			this.#part = { depth: this.#depth, part, texts: [] };
		} else if (name === "testcase") this.#case ??= opened;
		else if ((name === "testsuite" || name === "testsuites") && !this.#case) {
			if (this.#suites.length > MAX_DEPTH) throw new ReportError(`its suites are nested more than ${MAX_DEPTH} deep. Nest them less.`);
			const above = this.#suites.at(-1)?.name ?? "";
			const own = name === "testsuite" ? attributes.get("name") || above : above;
			this.#suites.push({ ...opened, name: own, cases: [], shown: 0, failed: 0 });
		}
	}

	text(text: string): void {
		this.#part?.texts.push(text);
	}

	close(): void {
		const suite = this.#suites.at(-1);
		if (this.#part?.depth === this.#depth) {
			this.#part.part.text = this.#part.texts.join("");
			this.#part = null;
		} else if (suite && this.#case?.depth === this.#depth) {
			const { parts, attributes } = this.#case;
			suite.shown += Math.max(parts.failures.length + parts.retries.length, stateOfAttributes(attributes) === "failed" ? 1 : 0);
			addCase(suite.cases, caseOf(this.#case, suite.name));
			this.#case = null;
		} else if (suite?.depth === this.#depth) {
			this.#suites.pop();
			this.#endSuite(suite, this.#suites.at(-1));
		}
		this.#depth -= 1;
	}

	#endSuite(suite: Suite, above: Suite | undefined): void {
		const cases = foldRetries(suite.cases);
		const { output } = wordsOf({ ...suite.parts, failures: [], retries: [] }, []);
		// A failed test without output gets that of its suite: Bazel puts all output there.
		for (const one of cases) if (one.state === "failed") one.output ??= output;
		const failed = suite.failed + cases.filter(({ state }) => state === "failed").length;
		const own = failureOfSuite({ ...suite, failed });
		for (const one of own ? [...cases, own] : cases) addCase(this.cases, one);
		if (!above) return;
		above.shown += suite.shown + (own ? 1 : 0);
		above.failed += failed + (own ? 1 : 0);
	}
}

/** The case that stands for a suite whose failure no case shows. */
function failureOfSuite({ name, attributes, parts, shown, failed }: Suite): TestCase | null {
	const stated = statedFailures(attributes);
	const isStated = failed === 0 && (stated > shown || (shown === 0 && stateOfAttributes(attributes) === "failed"));
	if (parts.failures.length === 0 && !isStated) return null;
	const { message, output } = wordsOf(parts, parts.failures);
	const counted = `The suite states ${stated} failures and errors, and its tests show ${shown}.`;
	const stateSaid = "The suite states that it failed, and none of its tests shows why.";
	return { ...plainCase(name, SUITE, "failed"), message: message ?? (stated > shown ? counted : stateSaid), output };
}

function statedFailures(attributes: ReadonlyMap<string, string>): number {
	const count = (name: string) => Math.max(0, readNumber(attributes.get(name)) ?? 0);
	return Math.max(count("failures") + count("errors"), count("failed"));
}

function caseOf({ attributes, parts }: OpenElement, suite: string): TestCase {
	const { failures, retries, skipped } = parts;
	const stated = stateOfAttributes(attributes, skipped[0]?.message);
	const isFailed = failures.length > 0 || stated === "failed";
	const isFlaky = !isFailed && retries.length > 0;
	const isSkipped = !isFailed && !isFlaky && (skipped.length > 0 || stated === "skipped");
	return {
		suite: attributes.get("classname") || suite,
		name: attributes.get("name") || "(without a name)",
		state: isFailed ? "failed" : isSkipped ? "skipped" : "passed",
		flaky: isFlaky,
		duration_ms: durationOf(readNumber(attributes.get("time") ?? attributes.get("duration"))),
		file: attributes.get("file") || null,
		...wordsOf(parts, isFlaky ? retries : failures.length > 0 ? failures : skipped),
	};
}

/** The message of the parts with the result, and the text of all parts. */
function wordsOf(parts: Parts, ownParts: readonly Part[]): Pick<TestCase, "message" | "output"> {
	const joined = (some: readonly Part[]) =>
		some
			.map(({ text }) => text)
			.join("\n")
			.trim();
	const details = joined([...parts.failures, ...parts.retries]);
	const output = joined(parts.outputs);
	return {
		message: ownParts[0]?.message || details.split("\n", 1)[0] || null,
		output: [details, output].filter(Boolean).join("\n\n") || null,
	};
}
