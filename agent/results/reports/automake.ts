import type { TestCase } from "../../../schema/wire/resources.ts";
import { ReportError } from "./report_error.ts";
import type { ReportFile } from "./report_file.ts";
import { addCase, plainCase } from "./test_cases.ts";

/**
 * The `.trs` files of automake's test drivers, one for each test script
 * (https://www.gnu.org/software/automake/manual/html_node/Log-files-generation-and-test-results-recording.html).
 */

const RESULT = /^\s*:test-result:\s*([A-Za-z]+)(.*)$/;
const GLOBAL_RESULT = /^\s*:test-global-result:\s*([A-Za-z]+)/;

const RESULTS: Readonly<Record<string, [TestCase["state"], string | null]>> = {
	PASS: ["passed", null],
	SKIP: ["skipped", null],
	XFAIL: ["skipped", "It failed, as expected."],
	FAIL: ["failed", null],
	XPASS: ["failed", "It passed, and was expected to fail."],
	ERROR: ["failed", "It ended with an error."],
};

/**
 * The cases of a test script. A script without a result counts as failed, as in automake.
 * @throws ReportError if it is not a `.trs` file
 */
export async function readAutomake(file: ReportFile): Promise<TestCase[]> {
	const script = file.name.replace(/\.trs$/, "");
	const cases: TestCase[] = [];
	let isFailedAsAWhole = false;
	let number = 0;
	for await (const line of file.lines()) {
		number += 1;
		if (line.trim() !== "" && !line.trimStart().startsWith(":")) {
			throw new ReportError("it is not a field of a .trs file. Name the .trs files of the tests, not their logs.", number);
		}
		const [, whole] = GLOBAL_RESULT.exec(line) ?? [];
		if (whole !== undefined) isFailedAsAWhole ||= stateOf(whole, number)[0] === "failed";
		const [, result, text] = RESULT.exec(line) ?? [];
		if (result === undefined) continue;
		const [state, message] = stateOf(result, number);
		addCase(cases, plainCase(script, text?.trim().replace(/^- /, "") || "(script)", state, message));
	}
	if (cases.length === 0) return [plainCase(script, "(script)", "failed", "The test driver wrote no result.")];
	const isExplained = cases.some(({ state }) => state === "failed");
	if (isFailedAsAWhole && !isExplained) cases.push(plainCase(script, "(whole script)", "failed", "The script failed as a whole."));
	return cases;
}

function stateOf(word: string, line: number): [TestCase["state"], string | null] {
	const known = Object.hasOwn(RESULTS, word) ? RESULTS[word] : undefined;
	if (!known) throw new ReportError(`the result ${word} is unknown. Automake knows ${Object.keys(RESULTS).join(", ")}.`, line);
	return known;
}
