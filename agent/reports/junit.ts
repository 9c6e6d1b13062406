import type { TestCase } from "../../schema/wire/resources.ts";
import type { ReportFile } from "./report_file.ts";
import { type Element, xmlReader } from "./xml.ts";

/** JUnit's XML, as many tools write it: https://github.com/testmoapp/junitxml tells what is common to them. */

const parseXml = xmlReader(["testsuite", "testcase", "failure", "error", "skipped", "system-out", "system-err"]);

const MAX_DEPTH = 20;

/** The cases of a report. @throws Error for what is no JUnit report */
export async function readJunit(file: ReportFile): Promise<TestCase[]> {
	return parseJunit(await file.text());
}

function parseJunit(text: string): TestCase[] {
	const document = parseXml(text);
	const root = (document.testsuites ?? document) as Element;
	if (document.testsuites === undefined && document.testsuite === undefined) throw new Error("it has neither testsuites nor testsuite");
	const cases: TestCase[] = [];
	for (const suite of elementsOf(root, "testsuite")) collect(suite, "", cases, 0);
	for (const one of elementsOf(root, "testcase")) cases.push(caseOf(one, ""));
	return cases;
}

function collect(suite: Element, above: string, cases: TestCase[], depth: number): void {
	if (depth > MAX_DEPTH) throw new Error(`its suites are nested more than ${MAX_DEPTH} deep`);
	const name = textOf(suite["@name"]) || above;
	for (const one of elementsOf(suite, "testcase")) cases.push(caseOf(one, name));
	for (const inner of elementsOf(suite, "testsuite")) collect(inner, name, cases, depth + 1);
}

function caseOf(element: Element, suite: string): TestCase {
	const faults = [...elementsOf(element, "failure"), ...elementsOf(element, "error")];
	const skipped = elementsOf(element, "skipped");
	const seconds = Number(textOf(element["@time"]).replaceAll(",", ""));
	const output = [...elementsOf(element, "system-out"), ...elementsOf(element, "system-err")].map(contentOf).join("\n").trim();
	const details = faults.map(contentOf).join("\n").trim();
	const said = (faults[0] ?? skipped[0])?.["@message"];
	return {
		suite: textOf(element["@classname"]) || suite,
		name: textOf(element["@name"]) || "(without a name)",
		state: faults.length > 0 ? "failed" : skipped.length > 0 ? "skipped" : "passed",
		duration_ms: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0,
		file: textOf(element["@file"]) || null,
		message: textOf(said) || details.split("\n", 1)[0] || null,
		output: [details, output].filter(Boolean).join("\n\n") || null,
	};
}

/** The children of this name; one without attributes and children is given as its text. */
function elementsOf(element: Element, name: string): Element[] {
	const found = element[name];
	if (!Array.isArray(found)) return [];
	return found.map((one) => (typeof one === "object" && one !== null ? (one as Element) : { "#": one }));
}

function contentOf(element: Element): string {
	return textOf(element["#"]);
}

function textOf(value: unknown): string {
	return typeof value === "string" ? value : "";
}
