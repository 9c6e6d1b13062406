import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { showSubmissionErrors, validationErrorsIn } from "../../cli/commands/validation_errors.ts";
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";

/** What is shown of a submission that is not taken. */
function shown(pipeline: string | null, beside: Record<string, unknown>): string {
	const submission = JSON.stringify(pipeline === null ? { run: "true", ...beside } : { pipeline, ...beside });
	try {
		parseSubmission(submission);
	} catch (error) {
		const file = pipeline === null ? null : { file: "p.yml", text: pipeline, included: {} };
		return stripVTControlCharacters(showSubmissionErrors(file, submission, validationErrorsIn(error)));
	}
	throw new Error("it was taken");
}

const PARAMETERS = "params: { c: { type: choice, options: [a, b] }, d: { required: true, description: What for? } }\nsteps: [x]\n";

test("an error in an option names the option, not a place in the pipeline", () => {
	expect(shown(PARAMETERS, { params: { c: "d", d: "x" } })).toBe('error: -p c: "d" is not one of the options: a, b.');
	expect(shown(PARAMETERS, {})).toBe("error: -p d: Required parameter `d` is missing.\n  hint: What for?");
	expect(shown(PARAMETERS, { params: { d: "x", e: "x" } })).toContain("error: -p e: Unknown parameter `e`.\n");
	expect(shown("steps: [x]", { priority: 1000 })).toMatch(/^error: --priority: /);
	expect(shown(null, { priority: "high" })).toMatch(/^error: --priority: .*"high"/);
	expect(shown(null, { runs_on: ["bad label"] })).toMatch(/^error: -l: /);
	expect(shown(null, { env: { CI_X: "1" } })).toMatch(/^error: -e CI_X: /);
	expect(shown(null, { source: { git: "nowhere" } })).toMatch(/^error: --git: /);
});

test("an error of the pipeline names its line, also where an option has the same name", () => {
	expect(shown("steps: [x]\npriority: 1000\n", { priority: 5 })).toMatch(/^p\.yml:2:11: error: priority: /);
	expect(shown("params: { c: 5 }\nsteps: [x]", { params: { c: "d" } })).toMatch(/^p\.yml:1:14: error: params\.c: /);
	expect(shown('{"priority":1000,"steps":["x"]}', { priority: 5 })).toMatch(/^p\.yml:1:13: error: priority: /);
});
