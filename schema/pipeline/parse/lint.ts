import { ApiError, type FieldError } from "../../wire/errors.ts";
import type { PipelineCheck } from "../../wire/resources.ts";
import type { IncludedTexts } from "../compose/include_place.ts";
import { doneAtOnce, type SlicedWork } from "../syntax/sliced_work.ts";
import { parsingSubmission } from "./submission.ts";

/** Checking a pipeline without running it. */

/** The commits of a run that is not there: functions of texts must find what they expect. */
const SOME_SHA = "0".repeat(40);

/**
 * All errors of a pipeline, or the jobs that it makes with the defaults of its parameters. Never
 * throws for the content of the text.
 */
export function lintPipeline(text: string, included: IncludedTexts | null = null): PipelineCheck {
	return doneAtOnce(lintingPipeline(text, included));
}

/** The same in slices. */
export function* lintingPipeline(text: string, included: IncludedTexts | null = null): SlicedWork<PipelineCheck> {
	try {
		const { name, jobs } = (yield* parsingSubmission(text, { isComplete: false, included, sha: SOME_SHA, baseSha: SOME_SHA })).pipeline;
		const made = jobs.map((job) => ({ key: job.key, name: job.name, needs: [...new Set(job.needs.map(({ key }) => key))] }));
		return { valid: true, errors: [], name, jobs: made };
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		const found = error.details.errors;
		const errors = Array.isArray(found) && found.length > 0 ? (found as FieldError[]) : [wholeError(error)];
		return { valid: false, errors, name: null, jobs: [] };
	}
}

/** An error of the text as a whole, such as its size. */
function wholeError(error: ApiError): FieldError {
	return { path: "", line: null, column: null, message: error.message, suggestion: error.suggestions[0] ?? null };
}
