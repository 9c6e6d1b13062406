import { formatDuration } from "../../schema/wire/duration.ts";

/**
 * A text that depends on the time of reading: the age of something, how long something has taken, or
 * its share of the usual duration in percent. `page.browser.js` writes the same texts.
 */
export type TimeMark = ["ago", number] | ["since", number] | ["share", number, number] | ["left", number, number];

/** The text of a time at `now`, in milliseconds since 1970. */
export function timeText(time: TimeMark, now: number): string {
	const ms = now - time[1];
	switch (time[0]) {
		case "ago":
			return ms < 5_000 ? "just now" : `${formatDuration(roundedAge(ms))} ago`;
		case "since":
			return formatDuration(ms);
		case "share":
			return String(share(ms, time[2]));
		case "left":
			return ms < time[2] ? `about ${formatDuration(time[2] - ms)} left` : `usually takes ${formatDuration(time[2])}`;
	}
}

/** An age is read at a glance: one unit is enough. */
function roundedAge(ms: number): number {
	const unit = [86_400_000, 3_600_000, 60_000, 1_000].find((one) => ms >= one) ?? 1;
	return Math.floor(ms / unit) * unit;
}

/** Until a job has ended, it has not taken all of its usual time. */
const MOST_PERCENT = 99;

function share(ms: number, usualMs: number): number {
	return Math.max(0, Math.min(MOST_PERCENT, Math.floor((100 * ms) / Math.max(1, usualMs))));
}
