import { composing } from "../compose/compose.ts";
import type { IncludedTexts } from "../compose/include_place.ts";
import type { SourceDocument } from "../syntax/document.ts";
import type { SlicedWork } from "../syntax/sliced_work.ts";
import { validatePipeline } from "../validate/validated_pipeline.ts";
import type { ValidPipeline } from "./resolved_submission.ts";

/**
 * Puts a pipeline together and validates it.
 * @param at the path of the pipeline in the document
 * @param included the files that it may include; null if nobody gave any
 * @throws ApiError `validation_failed`, whose errors have the places where the values are written
 */
export function* composedPipeline(
	document: SourceDocument,
	value: unknown,
	at: string[],
	included: IncludedTexts | null,
): SlicedWork<ValidPipeline> {
	const composed = yield* composing(document, value, at, included);
	const pipeline = yield* validatePipeline(composed.document, composed.value, at);
	return { pipeline, document: composed.document, at, includes: composed.includes };
}
