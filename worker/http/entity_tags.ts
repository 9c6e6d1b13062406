import { ApiError } from "../../schema/wire/errors.ts";

/** Entity tags and the conditions that name them (RFC 9110, 8.8.3 and 13). */

/** The tags of a header, as they are written; `*` stands for any. */
function tagsIn(header: string): string[] {
	return header.trim() === "*" ? ["*"] : (header.match(/(?:W\/)?"[^"]*"/g) ?? []);
}

/** Weak comparison: a tag that is weak is as good as one that is strong (8.8.3.2). */
function matchesWeakly(tags: readonly string[], etag: string): boolean {
	const opaque = etag.replace(/^W\//, "");
	return tags.some((tag) => tag === "*" || tag.replace(/^W\//, "") === opaque);
}

/** Strong comparison: both tags are strong. */
function matchesStrongly(tags: readonly string[], etag: string): boolean {
	return !etag.startsWith("W/") && tags.some((tag) => tag === "*" || tag === etag);
}

/**
 * Whether the caller has what it asks for already, so that 304 is the answer.
 * @throws ApiError `precondition_failed` where it wants only what it names in If-Match
 */
export function isNotModified(request: Request, etag: string): boolean {
	const [wanted, known] = [request.headers.get("If-Match"), request.headers.get("If-None-Match")];
	if (wanted !== null && !matchesStrongly(tagsIn(wanted), etag))
		throw new ApiError("precondition_failed", `What is here has the ETag ${etag}, which If-Match does not name.`, {
			details: { etag },
			suggestions: ["Ask again without If-Match."],
			headers: { ETag: etag },
		});
	return known !== null && matchesWeakly(tagsIn(known), etag);
}

/**
 * Whether a range may be answered: the caller has a part of this very version. A date never says so, for no answer has one.
 * @param etag null where there is none
 */
export function isSameVersion(request: Request, etag: string | null): boolean {
	const condition = request.headers.get("If-Range");
	return condition === null || (etag !== null && !condition.includes("*") && matchesStrongly([condition.trim()], etag));
}
