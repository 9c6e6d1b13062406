import type { TestCase } from "../../../schema/wire/resources.ts";
import { durationOf } from "./numbers.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, foldRetries, plainCase } from "./test_cases.ts";
import { scanXml, type XmlHandler } from "./xml_scanner.ts";

/** TRX, the results of `dotnet test --logger trx` and of Visual Studio. */

const PASSED = new Set(["passed", "completed", "passedbutrunaborted", "warning"]);
const SKIPPED = new Set(["notexecuted", "inconclusive", "pending"]);
/** Outcomes of a whole run that no test has. */
const RUN_FAILED = new Set(["failed", "error", "aborted", "timeout", "disconnected"]);
const RUN = "(run)";

/** A result while its element is open. */
interface Result {
	depth: number;
	attributes: ReadonlyMap<string, string>;
	message: string[];
	stack: string[];
	output: string[];
	/** Whether it has results inside, and whether one of them failed. */
	parts: { count: number; failed: number };
}

/** The cases of a report. @throws ReportError if it is not TRX */
export async function readTrx(file: ReportFile): Promise<TestCase[]> {
	const reader = new TrxReader();
	scanXml(await file.xml(), reader);
	return reader.cases();
}

class TrxReader implements XmlHandler {
	/** Their suites are known only when the definitions have come. */
	readonly #cases: TestCase[] = [];
	readonly #testIds: string[] = [];
	/** The class of each test, by its id. */
	readonly #classes = new Map<string, string>();
	readonly #elements: string[] = [];
	readonly #results: Result[] = [];
	readonly #runTexts: string[] = [];
	#definition: string | null = null;
	#outcome = "";

	open(name: string, attributes: ReadonlyMap<string, string>): void {
		if (this.#elements.length === 0 && name !== "TestRun") {
			throw new ReportError(`it has no TestRun, but ${name}. Write TRX, or name the report under its own format.`);
		}
		this.#elements.push(name);
		if (name.endsWith("TestResult")) {
			const parts = { count: 0, failed: 0 };
			this.#results.push({ depth: this.#elements.length, attributes, message: [], stack: [], output: [], parts });
		} else if (name === "UnitTest") this.#definition = attributes.get("id") ?? null;
		else if (name === "TestMethod" && this.#definition !== null) this.#classes.set(this.#definition, attributes.get("className") ?? "");
		else if (name === "ResultSummary") this.#outcome = wordOf(attributes.get("outcome"));
	}

	text(text: string): void {
		const element = this.#elements.at(-1);
		const result = this.#results.at(-1);
		if (result && element === "Message") result.message.push(text);
		else if (result && element === "StackTrace") result.stack.push(text);
		else if (result && (element === "StdOut" || element === "StdErr")) result.output.push(text);
		else if (!result && element === "Text") this.#runTexts.push(text);
	}

	close(): void {
		const result = this.#results.at(-1);
		if (result?.depth === this.#elements.length) {
			this.#results.pop();
			this.#end(result, this.#results.at(-1));
		}
		this.#elements.pop();
	}

	#end(result: Result, above: Result | undefined): void {
		const { attributes, parts } = result;
		const state = stateOf(attributes.get("outcome"));
		if (above) {
			above.parts.count += 1;
			if (state === "failed") above.parts.failed += 1;
		}
		// A result with results inside is their sum.
		if (parts.count > 0 && (state !== "failed" || parts.failed > 0)) return;
		const message = result.message.join("").trim();
		const details = [message, result.stack.join("").trim(), result.output.join("").trim()].filter(Boolean);
		const said = message.split("\n", 1)[0] || (state === "failed" ? `The outcome is ${attributes.get("outcome") ?? "not stated"}.` : null);
		const found = {
			...plainCase("", attributes.get("testName") || "(without a name)", state, said),
			duration_ms: durationOf(secondsOf(attributes.get("duration"))),
			output: details.join("\n\n") || null,
		};
		addCase(this.#cases, found);
		this.#testIds.push(attributes.get("testId") ?? "");
	}

	cases(): TestCase[] {
		const all = this.#cases.map((found, index) => {
			const suite = this.#classes.get(this.#testIds[index] as string) ?? "";
			const name = suite !== "" && found.name.startsWith(`${suite}.`) ? found.name.slice(suite.length + 1) : found.name;
			return { ...found, suite, name };
		});
		const cases = foldRetries(all);
		if (RUN_FAILED.has(this.#outcome) && !all.some(({ state }) => state === "failed")) {
			const output = this.#runTexts.join("\n").trim();
			const message = output.split("\n", 1)[0] || `The outcome of the run is ${this.#outcome}, and no test shows why.`;
			addCase(cases, { ...plainCase("", RUN, "failed", message), output: output || null });
		}
		return cases;
	}
}

/** A missing or unknown outcome does not count as passed. */
function stateOf(outcome: string | undefined): TestCase["state"] {
	const word = wordOf(outcome);
	return PASSED.has(word) ? "passed" : SKIPPED.has(word) ? "skipped" : "failed";
}

function wordOf(text: string | undefined): string {
	return (text ?? "").slice(0, 100).toLowerCase();
}

/** A TimeSpan of .NET: [days.]hours:minutes:seconds[.fraction]. */
function secondsOf(text: string | undefined): number | null {
	const [, days, hours, minutes, seconds] = /^(?:(\d{1,6})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)$/.exec(text ?? "") ?? [];
	if (seconds === undefined) return null;
	return Number(days ?? 0) * 86_400 + Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds.replace(",", "."));
}
