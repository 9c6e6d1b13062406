import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { ApiError } from "../../schema/wire/errors.ts";

/** Bodies that are large texts: to decode one takes long enough to be a part of the work that waits for its turn. */

const PART_BYTES = 256 * 1024;

/** The text of a body. @throws ApiError `malformed` if it is not UTF-8 */
export function* decodingText(bytes: Uint8Array): SlicedWork<string> {
	// A mark of the byte order is part of what is kept byte for byte.
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
