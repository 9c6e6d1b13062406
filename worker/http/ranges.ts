import { ApiError } from "../../schema/wire/errors.ts";
import { isSameVersion } from "./entity_tags.ts";

/** Bytes from `start` up to and without `end`. */
export interface ByteRange {
	start: number;
	end: number;
}

/**
 * The one range that a Range header asks of `size` bytes (RFC 9110, 14.2); null without one, where several are asked
 * for, which may be answered with the whole, or where If-Range speaks of another version (13.1.5).
 * @param etag null where the bytes have none
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
	throw new ApiError("range_not_satisfiable", `There are ${size} bytes; ${request.headers.get("Range")} is none of them.`, {
		details: { size },
		headers: { "Content-Range": `bytes */${size}` },
	});
}
