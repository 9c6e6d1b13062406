import { Cron } from "croner";

/** Times by cron: five fields, in a time zone. */

/** What is wrong with a pattern; null if nothing is. */
export function cronError(pattern: string): string | null {
	try {
		// A pattern that never comes is of no use, such as the 31st of February.
		return of(pattern).nextRun() === null ? `${JSON.stringify(pattern)} never comes` : null;
	} catch (error) {
		const reason = (error as Error).message.replace(/^CronPattern: /, "").replace(/\.$/, "");
		return `${JSON.stringify(pattern)} is not a cron pattern of five fields, such as "0 3 * * 1-5": ${reason}`;
	}
}

/** Whether this names a time zone, as the IANA does. */
export function isTimeZone(name: string): boolean {
	try {
		return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
	} catch {
		return false;
	}
}

/**
 * The first time after `after`, in milliseconds since 1970; null if there is none.
 *
 * The rule is close to Vixie cron's. Where the hours are `*`, a step of that or `0-23`, times go by the clock on the wall: one that does not
 * exist does not come, and one that is there twice comes twice. Any other time comes once: the first time that the clock shows it, or, where
 * clocks go forward past it, at that moment; but steps of minutes (`*` or `/`) within what is left out do not come.
 */
export function nextTime(pattern: string, timeZone: string, after: number): number | null {
	const [minutes = "*", hours = "*"] = (NICKNAMES[pattern.trim().toLowerCase()] ?? pattern).trim().split(/\s+/);
	// croner has rules of its own for such nights, so it lists the times of a clock that never changes.
	const cron = of(pattern);
	const times: ClockTimes = (time) => cron.nextRun(new Date(time))?.getTime() ?? null;
	if (/^(?:[*?]|0-23)/.test(hours)) return nextByTheClock(times, timeZone, after);
	return nextOnce(times, timeZone, after, { skipsGaps: /[*?/]/.test(minutes) });
}

/** What cron patterns can be called in place of their minutes and hours. */
const NICKNAMES: Readonly<Record<string, string>> = {
	"@hourly": "0 *",
	"@daily": "0 0",
	"@midnight": "0 0",
	"@weekly": "0 0",
	"@monthly": "0 0",
	"@yearly": "0 0",
	"@annually": "0 0",
};

/** The first time of a pattern after one that a clock shows, both as if the clock were that of UTC. */
type ClockTimes = (time: number) => number | null;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** More than clocks are moved by at once, and more than any is ahead of UTC or behind it. */
const FAR_MS = 27 * HOUR_MS;

function nextByTheClock(times: ClockTimes, timeZone: string, after: number): number | null {
	for (let from = after; ; ) {
		const ahead = aheadOf(from, timeZone);
		const shown = times(from + ahead);
		if (shown === null) return null;
		const near = Math.min(shown - ahead, from + FAR_MS);
		if (aheadOf(near, timeZone) !== ahead) {
			// The very moment of the change counts as well.
			const change = changeBetween(from, near, timeZone);
			const changed = change + aheadOf(change, timeZone);
			if (times(changed - 1) === changed) return change;
			from = change;
		} else if (near === shown - ahead) return near;
		// No clock shows a time of the pattern before that day.
		else from = Math.max(near, shown - 2 * FAR_MS);
	}
}

function nextOnce(times: ClockTimes, timeZone: string, after: number, { skipsGaps }: { skipsGaps: boolean }): number | null {
	let shown = times(latestShown(after, timeZone));
	while (shown !== null) {
		const at = firstReaching(shown, timeZone);
		if (!skipsGaps || at + aheadOf(at, timeZone) === shown) return at;
		shown = times(shown);
	}
	return null;
}

/** The latest time that the clocks of a zone have shown up to a moment: more than they show then where they were put back shortly before. */
function latestShown(moment: number, timeZone: string): number {
	const ahead = aheadOf(moment, timeZone);
	const before = moment - FAR_MS;
	const aheadBefore = aheadOf(before, timeZone);
	if (aheadBefore <= ahead) return moment + ahead;
	return Math.max(moment + ahead, changeBetween(before, moment, timeZone) + aheadBefore - 1);
}

/** The first moment at which the clocks of a zone show this time, or a later one. */
function firstReaching(shown: number, timeZone: string): number {
	const before = shown - FAR_MS;
	const ahead = aheadOf(before, timeZone);
	const moment = shown - ahead;
	if (aheadOf(moment, timeZone) === ahead) return moment;
	const change = changeBetween(before, moment, timeZone);
	return Math.max(change, shown - aheadOf(change, timeZone));
}

/** When clocks were changed between two moments at which they are ahead of UTC by different times: at a whole minute. */
function changeBetween(from: number, to: number, timeZone: string): number {
	const ahead = aheadOf(from, timeZone);
	let [low, high] = [Math.floor(from / MINUTE_MS), Math.ceil(to / MINUTE_MS)];
	while (high - low > 1) {
		const middle = Math.floor((low + high) / 2);
		if (aheadOf(middle * MINUTE_MS, timeZone) === ahead) low = middle;
		else high = middle;
	}
	return high * MINUTE_MS;
}

/** Making a format takes longer than all that is asked of it. */
const formats = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATS = 100;

function formatOf(timeZone: string): Intl.DateTimeFormat {
	const known = formats.get(timeZone);
	if (known) return known;
	if (formats.size >= MAX_FORMATS) formats.clear();
	const made = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" });
	formats.set(timeZone, made);
	return made;
}

/** By how much the clocks of a zone are ahead of UTC, in milliseconds. */
function aheadOf(time: number, timeZone: string): number {
	const name = formatOf(timeZone).format(time);
	const [, sign = "+", hours = "0", minutes = "0"] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
	return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

function of(pattern: string): Cron {
	return new Cron(pattern, { utcOffset: 0, mode: "5-part", paused: true });
}
