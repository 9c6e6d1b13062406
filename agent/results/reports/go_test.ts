import type { TestCase } from "../../../schema/wire/resources.ts";
import { durationOf } from "./numbers.ts";
import { RecentText } from "./recent_text.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { MAX_READ_CASES, plainCase } from "./test_cases.ts";

/**
 * The output of `go test -json`: an event per line (https://pkg.go.dev/cmd/test2json), and `go
 * build -json` between (`go help buildjson`).
 */

interface Event {
	Action: string;
	package: string;
	/** Null for an event of the package itself. */
	test: string | null;
	seconds: number | null;
	output: string;
	/** The package that could not be built, and so failed this one. */
	failedBuild: string | null;
}

/**
 * The cases that stand for a package whose tests could not be built, and for one that failed beside
 * its tests.
 */
const BUILD = "(build)";
const PACKAGE = "(package)";
const MAX_PACKAGES = 50_000;
const INTERRUPTED = "(interrupted)";

/** The cases of a report. @throws ReportError if no line of it is an event */
export async function readGoTest(file: ReportFile): Promise<TestCase[]> {
	const reader = new GoTestReader();
	for await (const line of file.lines()) reader.push(line);
	return reader.cases();
}

/** The result of a test so far. */
interface Test {
	/** The newest result; null before the first. */
	state: TestCase["state"] | null;
	hasFailed: boolean;
	/**
	 * Whether it has failed since its package began: `-count` runs a test several times, and one
	 * failure fails it.
	 */
	hasFailedNow: boolean;
	isRunning: boolean;
	neverEnded: boolean;
	duration_ms: number;
	output: RecentText;
}

/**
 * A package, in the order of its events. gotestsum runs those that failed again: the package then
 * begins once more.
 */
class Package {
	readonly name: string;
	readonly #tests = new Map<string, Test>();
	/** The tests that had an event since the package began. */
	readonly #current = new Set<string>();
	readonly #output = new RecentText();
	#isRunning = false;
	/** Set if the package failed, and none of its tests did. */
	#failure: { failedBuild: string | null; neverEnded: boolean } | null = null;

	constructor(name: string) {
		this.name = name;
	}

	start(): void {
		this.#isRunning = true;
	}

	begin(name: string): void {
		this.#test(name).isRunning = true;
	}

	addOutput(output: string, name: string | null): void {
		if (name === null) this.#output.add(output);
		else this.#test(name).output.add(output);
	}

	endTest(name: string, state: TestCase["state"], seconds: number | null): void {
		const test = this.#test(name);
		test.isRunning = false;
		test.state = state;
		test.hasFailed ||= state === "failed";
		test.hasFailedNow ||= state === "failed";
		test.duration_ms = durationOf(seconds);
	}

	end(hasFailed: boolean, failure: { failedBuild: string | null; neverEnded: boolean }): void {
		this.#isRunning = false;
		let isExplained = false;
		for (const name of this.#current) {
			const test = this.#test(name);
			if (test.isRunning) this.#endUnended(name, test, hasFailed);
			// A test that fails once within a run of the package has failed, also if it passes later.
			if (hasFailed && test.hasFailedNow) test.state = "failed";
			isExplained ||= test.state === "failed";
			test.hasFailedNow = false;
		}
		this.#current.clear();
		if (hasFailed && !isExplained) this.#failure ??= failure;
	}

	/**
	 * Like gotestsum: a test that never ended has failed, unless it is part of a test that passed
	 * (golang/go#40771).
	 */
	#endUnended(name: string, test: Test, hasFailed: boolean): void {
		const [root = name] = name.split("/", 1);
		test.isRunning = false;
		if (root !== name && this.#tests.get(root)?.state === "passed") return;
		// A benchmark has no end of its own.
		test.neverEnded = hasFailed || !name.startsWith("Benchmark");
		this.endTest(name, test.neverEnded ? "failed" : "passed", null);
	}

	/**
	 * @param plain the text between the events: older versions of go print the errors of the compiler
	 * there
	 */
	cases(plain: string): TestCase[] {
		const isRunning = this.#isRunning || [...this.#current].some((name) => this.#tests.get(name)?.isRunning);
		if (isRunning) this.end(true, { failedBuild: null, neverEnded: true });
		const cases = [...this.#tests].flatMap(([name, test]) => (test.state === null ? [] : [this.#caseOf(name, test, test.state)]));
		if (this.#failure === null) return cases;
		const { failedBuild, neverEnded } = this.#failure;
		const said = this.#output.text;
		const isBuild = failedBuild !== null || /\[(build|setup) failed\]/.test(said);
		const output = `${isBuild ? plain : ""}${said}` || null;
		const words = firstWords(output) ?? (failedBuild === null ? null : `${failedBuild} cannot be built.`);
		const message = neverEnded ? ["The package began and never ended.", words].filter(Boolean).join(" ") : words;
		return [...cases, { ...plainCase(this.name, isBuild ? BUILD : PACKAGE, "failed", message), output }];
	}

	#test(name: string): Test {
		this.#current.add(name);
		const known = this.#tests.get(name);
		if (known) return known;
		const output = new RecentText();
		const test = { state: null, hasFailed: false, hasFailedNow: false, isRunning: false, neverEnded: false, duration_ms: 0, output };
		this.#tests.set(name, test);
		return test;
	}

	#caseOf(name: string, test: Test, state: TestCase["state"]): TestCase {
		const flaky = state === "passed" && test.hasFailed;
		const output = state !== "passed" || flaky ? test.output.text || null : null;
		const words = state === "failed" || flaky ? firstWords(output) : null;
		const message = test.neverEnded ? ["The test began and never ended.", words].filter(Boolean).join(" ") : words;
		return { suite: this.name, name, state, flaky, duration_ms: test.duration_ms, file: null, message, output };
	}
}

/** Puts events together. */
class GoTestReader {
	readonly #packages = new Map<string, Package>();
	/** The lines that are not events. */
	readonly #plain = new RecentText();
	#hasEvents = false;
	/** The last line, if it is a truncated event. */
	#isCutOff = false;

	push(line: string): void {
		if (line.trim() === "") return;
		const event = eventOf(line);
		this.#isCutOff = !event && line.startsWith("{");
		if (!event) {
			this.#plain.add(`${line}\n`);
			return;
		}
		this.#hasEvents = true;
		const known = this.#packages.get(event.package);
		const of = known ?? new Package(event.package);
		if (!known) this.#packages.set(event.package, of);
		if (this.#packages.size > MAX_PACKAGES) throw new ReportError(`it names more than ${MAX_PACKAGES} packages. Split it.`);
		if (event.test === null) onPackage(of, event);
		else onTest(of, event.test, event);
	}

	cases(): TestCase[] {
		if (!this.#hasEvents) throw new ReportError("no line of it is an event. Write what `go test -json` prints to this file.");
		const plain = this.#plain.text;
		const cases: TestCase[] = [];
		for (const one of this.#packages.values()) {
			for (const found of one.cases(plain)) cases.push(found);
			if (cases.length > MAX_READ_CASES) throw new ReportError(`it holds more than ${MAX_READ_CASES} tests. Split it.`);
		}
		if (this.#isCutOff) cases.push(plainCase("", INTERRUPTED, "failed", "The report ends in the middle of an event."));
		return cases;
	}
}

function onTest(of: Package, name: string, { Action: action, seconds, output }: Event): void {
	switch (action) {
		case "run":
			of.begin(name);
			break;
		case "output":
			of.addOutput(output, name);
			break;
		case "pass":
		case "bench":
			of.endTest(name, "passed", seconds);
			break;
		case "fail":
			of.endTest(name, "failed", seconds);
			break;
		case "skip":
			of.endTest(name, "skipped", seconds);
			break;
		default:
	}
}

function onPackage(of: Package, { Action: action, output, failedBuild }: Event): void {
	switch (action) {
		case "start":
			of.start();
			break;
		case "output":
			of.addOutput(output, null);
			break;
		case "build-output":
			of.addOutput(output, BUILD);
			break;
		case "build-fail":
			of.endTest(BUILD, "failed", null);
			break;
		case "pass":
		case "skip":
			of.end(false, { failedBuild, neverEnded: false });
			break;
		case "fail":
			of.end(true, { failedBuild, neverEnded: false });
			break;
		default:
	}
}

function eventOf(line: string): Event | null {
	if (!line.startsWith("{")) return null;
	let said: Record<string, unknown>;
	try {
		said = JSON.parse(line);
	} catch {
		return null;
	}
	const word = (name: string) => (typeof said[name] === "string" ? (said[name] as string) : null);
	const action = word("Action");
	if (action === null) return null;
	return {
		Action: action,
		package: withoutVariant(word("Package") ?? word("ImportPath") ?? ""),
		test: word("Test"),
		seconds: typeof said.Elapsed === "number" ? said.Elapsed : null,
		output: word("Output") ?? "",
		failedBuild: word("FailedBuild") === null ? null : withoutVariant(word("FailedBuild") as string),
	};
}

/** go builds a package once more for its tests: "m/a [m/a.test]". */
function withoutVariant(name: string): string {
	const at = name.endsWith("]") ? name.indexOf(" [") : -1;
	return at === -1 ? name : name.slice(0, at);
}

/** The first line that is not a part of the frame that go prints around a test. */
function firstWords(output: string | null): string | null {
	const lines = (output ?? "").split("\n").map((line) => line.trim());
	return lines.find((line) => line !== "" && !/^(=== |--- |# |FAIL\b|exit status)/.test(line)) ?? null;
}
