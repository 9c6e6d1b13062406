import { parsingSource } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { errorAt, validationFailed } from "../validate/errors.ts";
import type { ParametersText } from "../validate/parameters.ts";
import { composedPipeline } from "./composed_pipeline.ts";
import { checkingDocument } from "./submission.ts";

/**
 * Checks a pipeline before it is stored. An upload cannot be its source: it lives for a day.
 * @throws ApiError as `checkingSubmission` does
 */
export function* checkingStoredPipeline(text: string): SlicedWork<void> {
	const document = yield* parsingSource(text);
	const { source } = (yield* (yield* checkingDocument(document)).resolving({ isComplete: false })).pipeline;
	if (!source || !("upload" in source)) return;
	const suggestion = "Name a repository in `source.git`, or give the upload to each run.";
	throw validationFailed([
		errorAt(document, ["source", "upload"], "An upload is deleted after a day: a stored pipeline cannot use it.", suggestion, {
			atKey: true,
		}),
	]);
}

/** The parameters that a pipeline declares. @throws ApiError as `checkingSubmission` does */
export function* readingParameters(text: string): SlicedWork<ParametersText> {
	const document = yield* parsingSource(text);
	return (yield* composedPipeline(document, document.value, [], null)).pipeline.params ?? {};
}
