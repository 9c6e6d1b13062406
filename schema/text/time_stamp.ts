/** The time stamp at the beginning of every line of a stored log: `2026-01-02T03:04:05.678Z `. */

/** The bytes of a stamp, which are also its characters: an ISO 8601 time and a blank. */
export const STAMP_BYTES = 25;

/** @param now milliseconds since the epoch */
export function timeStamp(now: number): string {
	return `${new Date(now).toISOString()} `;
}

/** The time of a line of a stored log, without the blank after it. */
export function timeOf(line: string): string {
	return line.slice(0, STAMP_BYTES - 1);
}

/** The text of a line of a stored log. */
export function withoutStamp(line: string): string {
	return line.slice(STAMP_BYTES);
}
