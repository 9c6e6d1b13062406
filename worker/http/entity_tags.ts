import { ApiError } from "../../schema/wire/errors.ts";

/** Entity tags and conditional requests (RFC 9110, 8.8.3 and 13). */

/** The tags of a header; `*` stands for any tag. */
function tagsIn(header: string): string[] {
	return header.trim() === "*" ? ["*"] : (header.match(/(?:W\/)?"[^"]*"/g) ?? []);
}

/** Weak comparison: weak and strong tags are equal (8.8.3.2). */
function matchesWeakly(tags: readonly string[], etag: string): boolean {
	const opaque = etag.replace(/^W\//, "");
	return tags.some((tag) => tag === "*" || tag.replace(/^W\//, "") === opaque);
}

/** Strong comparison: both tags are strong. */
function matchesStrongly(tags: readonly string[], etag: string): boolean {
	return !etag.startsWith("W/") && tags.some((tag) => tag === "*" || tag === etag);
}

/**
 * Whether the caller already has this version, so that the answer is 304.
 * @throws ApiError `precondition_failed` if If-Match names another version
 */
export function isNotModified(request: Request, etag: string): boolean {
	const [required, known] = [request.headers.get("If-Match"), request.headers.get("If-None-Match")];
	if (required !== null && !matchesStrongly(tagsIn(required), etag))
		throw new ApiError("precondition_failed", `If-Match does not contain the current ETag ${etag}.`, {
			details: { etag },
			suggestions: ["Repeat the request without If-Match."],
			headers: { ETag: etag },
		});
	return known !== null && matchesWeakly(tagsIn(known), etag);
}

/**
 * Whether a range may be answered: If-Range names this version. Dates never match, because answers
 * have no Last-Modified.
 * @param etag null if there is none
 */
export function isSameVersion(request: Request, etag: string | null): boolean {
	const condition = request.headers.get("If-Range");
	return condition === null || (etag !== null && !condition.includes("*") && matchesStrongly([condition.trim()], etag));
}
