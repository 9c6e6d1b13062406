import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import { withTurn } from "../platform/turns.ts";
import { parseJson } from "./bodies.ts";

/**
 * Limits JSON before it is parsed: JSON.parse cannot pause, and its time grows with the number of
 * values.
 */

/** The maximum number of values: items of lists and keys of maps. */
const MAX_VALUES = 200_000;
const MAX_DEPTH = 200;
/** How many signs are read between two pauses. */
const SIGNS_OF_SLICE = 5_000;

/**
 * Parses a JSON body.
 * @throws ApiError `malformed` with the place of the error, or for too many values
 */
export function parseBoundedJson(text: string): Promise<unknown> {
	return withTurn(parsingJson(text), text.length);
}

/** The same in slices. */
export function* parsingJson(text: string): SlicedWork<unknown> {
	yield* checkingValues(text);
	yield text.length / 100;
	return parseJson(text);
}

function* checkingValues(text: string): SlicedWork<void> {
	const sign = /["[\]{},]/g;
	let values = 0;
	let depth = 0;
	let signs = 0;
	for (let found = sign.exec(text); found; found = sign.exec(text)) {
		signs += 1;
		if (signs % SIGNS_OF_SLICE === 0) yield 1_000;
		switch (found[0]) {
			case '"':
				sign.lastIndex = endOfString(text, found.index);
				break;
			case "[":
			case "{":
				depth += 1;
				values += 1;
				break;
			case ",":
				values += 1;
				break;
			default:
				depth -= 1;
		}
		if (values > MAX_VALUES) throw tooMuch(`has more than ${MAX_VALUES} values`);
		if (depth > MAX_DEPTH) throw tooMuch(`is nested more than ${MAX_DEPTH} levels deep`);
	}
	yield text.length / 1_000;
}

/** The end of the string that begins here; the end of the text for an incomplete string. */
export function endOfString(text: string, begin: number): number {
	for (let end = text.indexOf('"', begin + 1); end !== -1; end = text.indexOf('"', end + 1)) {
		let backslashes = 0;
		while (text[end - 1 - backslashes] === "\\") backslashes += 1;
		if (backslashes % 2 === 0) return end + 1;
	}
	return text.length;
}

function tooMuch(what: string): ApiError {
	return new ApiError("malformed", `The JSON ${what}.`, { suggestions: ["Send smaller JSON."] });
}
