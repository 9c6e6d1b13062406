import { ApiError } from "../../wire/errors.ts";
import { parsingSource, type SourceDocument } from "../syntax/document.ts";
import { doneAtOnce, type SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, validationFailed } from "../validate/errors.ts";
import type { ResolveOptions, Submission } from "./resolved_submission.ts";
import { type CheckedSubmission, checkingKeys } from "./submission.ts";

/** The parts that are text; every other part is read as YAML. */
const TEXT_PARTS: ReadonlySet<string> = new Set(["pipeline", "run", "project", "branch", "container"]);

/**
 * Parses and validates a submission that is sent as a form: each part has the name of a key.
 * @throws ApiError as `checkingSubmission` does, naming the part
 */
export function* checkingSubmissionForm(parts: ReadonlyMap<string, string>): SlicedWork<CheckedSubmission> {
	const value: Record<string, unknown> = {};
	for (const [name, text] of parts) value[name] = TEXT_PARTS.has(name) ? text : yield* partValue(name, text);
	const form: SourceDocument = { value, locate: () => null };
	if (!("pipeline" in value) && !("run" in value)) {
		const suggestion = "Send one of them: -F pipeline=@ci.yml, or -F run='make test'.";
		throw validationFailed([errorAt(form, [], "The form has neither a part `pipeline` nor a part `run`.", suggestion)]);
	}
	return yield* checkingKeys(form, value);
}

/** The same without a pause, resolved. @throws ApiError as `checkingSubmissionForm` does */
export function parseSubmissionForm(parts: ReadonlyMap<string, string>, options: ResolveOptions = {}): Submission {
	return doneAtOnce(
		(function* () {
			return yield* (yield* checkingSubmissionForm(parts)).resolving(options);
		})(),
	);
}

function* partValue(name: string, text: string): SlicedWork<unknown> {
	try {
		return (yield* parsingSource(text)).value;
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		throw new ApiError(error.code, `The part ${name}: ${error.message}`, error);
	}
}
