import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";

/** Decodes large bodies in slices, because decoding them takes long. */

const PART_BYTES = 256 * 1024;

/** The text of a body. @throws ApiError `malformed` if it is not UTF-8 */
export function* decodingText(bytes: Uint8Array): SlicedWork<string> {
	// A byte order mark stays, because texts are stored byte for byte.
	const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
	const parts: string[] = [];
	try {
		for (let at = 0; at < bytes.byteLength; at += PART_BYTES) {
			const part = bytes.subarray(at, at + PART_BYTES);
			parts.push(decoder.decode(part, { stream: true }));
			yield part.byteLength / 500;
		}
		parts.push(decoder.decode());
	} catch (error) {
		if (!(error instanceof TypeError)) throw error;
		throw new ApiError("malformed", "The body is not valid UTF-8.", { suggestions: ["Send the text as UTF-8."] });
	}
	yield bytes.byteLength / 4_000;
	return parts.join("");
}
