/**
 * The result of a test, for tools that write it in attributes and not in an element `failure`,
 * `error` or `skipped`.
 */

/**
 * GoogleTest: status="notrun" or result="suppressed" for a disabled test. CTest: status="fail" and
 * "disabled". NUnit: success="False".
 */
const FAILED = new Set([
	"fail",
	"failed",
	"failure",
	"error",
	"errored",
	"broken",
	"crash",
	"crashed",
	"abort",
	"aborted",
	"timeout",
	"timedout",
]);
const INTERRUPTED = new Set(["interrupted", "cancelled", "canceled", "killed", "ko", "notok", "notrunnable"]);
const SKIPPED = new Set([
	"skip",
	"skipped",
	"disabled",
	"notrun",
	"suppressed",
	"filtered",
	"ignore",
	"ignored",
	"pending",
	"todo",
	"inconclusive",
	"notexecuted",
	"excluded",
	"blocked",
]);

/** CTest writes these as skipped, and fails for each of them. */
const CTEST_FAILED = /^(unable to find executable|failed test dependencies|required files missing|fixture dependency failed)/i;

/**
 * The result in the attributes of a case or a suite. An attribute that states a failure wins.
 * @param skipMessage the message of its element `skipped`
 */
export function stateOfAttributes(attributes: ReadonlyMap<string, string>, skipMessage = ""): "failed" | "skipped" | null {
	const words = ["status", "result", "outcome", "state"].map((name) => wordOf(attributes.get(name)));
	const says = (name: string, value: string) => wordOf(attributes.get(name)) === value;
	if (words.some((word) => FAILED.has(word) || INTERRUPTED.has(word)) || says("success", "false") || says("failed", "true"))
		return "failed";
	if (says("status", "notrun") && CTEST_FAILED.test(skipMessage)) return "failed";
	const isSkipped = ["skipped", "disabled", "ignored"].some((name) => says(name, "true")) || says("executed", "false");
	return isSkipped || words.some((word) => SKIPPED.has(word)) ? "skipped" : null;
}

function wordOf(value: string | undefined): string {
	return (value ?? "")
		.slice(0, 100)
		.toLowerCase()
		.replace(/[^a-z]/g, "");
}
