/** Reads from an answer how long a server wants no further request. */

/** From this value on a reset is a time in seconds since 1970 (2001), not a pause. */
const LEAST_TIME_S = 1_000_000_000;
/** Every form of an HTTP-date begins with the day of the week. */
const DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/**
 * The pause that an answer asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3),
 * else the end of an exhausted rate limit of GitHub (`X-RateLimit-Reset`) or GitLab (`RateLimit-
 * Reset`). Times refer to the clock of the server, where it sends `Date`.
 * @param isLimited whether the server rejects the request for its rate
 * @returns milliseconds; null where the answer has no such header
 */
export function retryAfterOf(headers: Headers, isLimited: boolean, now = Date.now()): number | null {
	const clock = dateIn(headers.get("Date")) ?? now;
	const retryAfter = headers.get("Retry-After")?.trim() ?? "";
	if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
	const date = dateIn(retryAfter);
	if (date !== null) return Math.max(0, date - clock);
	for (const prefix of ["X-RateLimit", "RateLimit"]) {
		const reset = headers.get(`${prefix}-Reset`)?.trim() ?? "";
		const remaining = headers.get(`${prefix}-Remaining`)?.trim() ?? (isLimited ? "0" : "");
		if (remaining !== "0" || !/^\d{1,12}$/.test(reset)) continue;
		return Number(reset) < LEAST_TIME_S ? Number(reset) * 1000 : Math.max(0, Number(reset) * 1000 - clock);
	}
	return null;
}

/** An HTTP-date in one of its three forms, one of which has no zone; null for any other text. */
function dateIn(text: string | null): number | null {
	if (text === null || !DATE.test(text)) return null;
	const at = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
	return Number.isNaN(at) ? null : at;
}
