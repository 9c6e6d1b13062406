import { ApiError, type FieldError } from "../../wire/errors.ts";
import { MAX_ERRORS_SHOWN } from "../../wire/limits.ts";
import type { SourceDocument } from "../syntax/document.ts";

/** The errors of an answer: each with its path, line, column and suggestion. */

/** Validation ends after so many errors. */
export const MAX_FOUND_ERRORS = 1_000;
/** Finding the place of an error, and what may have been meant, takes about this long. */
export const UNITS_OF_ERROR = 40;

const MAX_SUGGESTIONS = 20;
const MAX_CHARACTERS = 1_000;

/** An error in a part of a pipeline, before its line and column are looked up. */
export interface ValidationError {
	path: string[];
	message: string;
	suggestion: string | null;
}

/** Where exactly: at the key rather than the value, or at one of the characters of a text. */
interface Pointer {
	atKey?: boolean;
	character?: number | null;
}

/** An error at a path of a document, with the line and column of that path. */
export function errorAt(
	document: SourceDocument,
	path: PropertyKey[],
	message: string,
	suggestion: string | null,
	at: Pointer = {},
): FieldError {
	const place = document.locate(path, at.atKey, at.character ?? null);
	return {
		path: shortened(path.map((part) => shortened(String(part))).join(".")),
		line: place?.line ?? null,
		column: place?.column ?? null,
		message: shortened(place?.via ? `${message} (from ${place.via})` : message),
		suggestion: suggestion === null ? null : shortened(suggestion),
		...(place?.file !== undefined && { file: place.file }),
	};
}

/** A quote from a text may be as long as the text. */
function shortened(text: string): string {
	return text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS - 1)}…` : text;
}

/** The error of a text with these errors, in the order of the text. */
export function validationFailed(errors: readonly FieldError[]): ApiError {
	const sorted = [...errors].sort(
		(a, b) =>
			(a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0) || Number(a.suggestion === null) - Number(b.suggestion === null),
	);
	return new ApiError("validation_failed", summaryOf(sorted), {
		details: { errors: sorted.slice(0, MAX_ERRORS_SHOWN), ...(sorted.length > MAX_ERRORS_SHOWN ? { total: sorted.length } : {}) },
		suggestions: [...new Set(sorted.map((error) => error.suggestion).filter((hint) => hint !== null))].slice(0, MAX_SUGGESTIONS),
	});
}

function summaryOf([first, ...others]: readonly FieldError[]): string {
	if (!first) return "The submission is not valid.";
	const place = placeIn(first);
	const more = others.length === 0 ? "" : ` (${others.length} more ${others.length === 1 ? "error" : "errors"})`;
	return `${place}${first.path ? `${first.path}: ` : ""}${first.message}${more}`;
}

/** Where an error is, as the beginning of a sentence; empty if nobody knows. */
export function placeIn({ file, line, column }: FieldError): string {
	const place = line ? `line ${line}, column ${column}: ` : "";
	return file === undefined ? place.replace(/^l/, "L") : `${file}, ${place || "its text: "}`;
}

/** A part of a pipeline in words, such as "step 2 of job `test`"; an empty path is `whole`. */
export function describePlace(path: readonly PropertyKey[], whole = "the pipeline"): string {
	let parts = path.map(String);
	const words: string[] = [];
	if (parts[0] === "jobs" && parts[1] !== undefined) {
		words.unshift(`job ${code(parts[1])}`);
		parts = parts.slice(2);
	}
	if (parts[0] === "finally") {
		words.unshift(code("finally"));
		parts = parts.slice(1);
	}
	for (const list of ["steps", "parallel"]) {
		if (parts[0] !== list || parts[1] === undefined) continue;
		words.unshift(`step ${Number(parts[1]) + 1}`);
		parts = parts.slice(2);
	}
	if (parts.length > 0) words.unshift(code(parts.join(".")));
	return words.length > 0 ? words.join(" of ") : whole;
}

/** A name as it is written, in backticks. */
export function code(name: string): string {
	return `\`${name}\``;
}
