import { ApiError } from "../../schema/wire/errors.ts";
import { isSameVersion } from "./entity_tags.ts";

/** Bytes from `start` up to but not including `end`. */
export interface ByteRange {
	start: number;
	end: number;
}

/**
 * The requested range of `size` bytes (RFC 9110, 14.2). Null for no range, for several ranges, or
 * if If-Range names another version (13.1.5); then the answer is the whole.
 * @param etag null if the bytes have none
 * @throws ApiError `range_not_satisfiable`
 */
export function rangeOf(request: Request, size: number, etag: string | null): ByteRange | null {
	if (!isSameVersion(request, etag)) return null;
	const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get("Range") ?? "");
	if (!match || (match[1] === "" && match[2] === "")) return null;
	const [, first = "", last = ""] = match;
	const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
	const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
	if (start < end) return { start, end };
	throw new ApiError("range_not_satisfiable", `The range ${request.headers.get("Range")} is outside of the ${size} bytes.`, {
		details: { size },
		suggestions: ["Ask for a range within this size, or leave out Range."],
		headers: { "Content-Range": `bytes */${size}` },
	});
}
