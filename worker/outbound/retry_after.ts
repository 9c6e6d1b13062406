/** How long a server asks to be left alone, as servers say it. */

/** From so many seconds on a reset is a time, not a pause: 2001 in seconds since 1970. */
const LEAST_TIME_S = 1_000_000_000;
/** The forms of an HTTP-date: all of them begin with the day of the week. */
const DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? /;

/**
 * The pause that an answer asks for: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), else the end of the window of a limit that is used up,
 * as GitHub (`X-RateLimit-Reset`) and GitLab (`RateLimit-Reset`) say it. Times count by the server's own clock, where it tells.
 * @param isLimited whether the server says that it was asked too often
 * @returns milliseconds; null where the answer does not say
 */
export function retryAfterOf(headers: Headers, isLimited: boolean, now = Date.now()): number | null {
	const clock = dateIn(headers.get("Date")) ?? now;
	const asked = headers.get("Retry-After")?.trim() ?? "";
	if (/^\d{1,9}$/.test(asked)) return Number(asked) * 1000;
	const date = dateIn(asked);
	if (date !== null) return Math.max(0, date - clock);
	for (const prefix of ["X-RateLimit", "RateLimit"]) {
		const reset = headers.get(`${prefix}-Reset`)?.trim() ?? "";
		const remaining = headers.get(`${prefix}-Remaining`)?.trim() ?? (isLimited ? "0" : "");
		if (remaining !== "0" || !/^\d{1,12}$/.test(reset)) continue;
		return Number(reset) < LEAST_TIME_S ? Number(reset) * 1000 : Math.max(0, Number(reset) * 1000 - clock);
	}
	return null;
}

/** An HTTP-date in one of its three forms, of which one does not name its zone; null for anything else. */
function dateIn(text: string | null): number | null {
	if (text === null || !DATE.test(text)) return null;
	const at = Date.parse(/GMT$/.test(text) ? text : `${text} GMT`);
	return Number.isNaN(at) ? null : at;
}
