import { Cron } from "croner";

/** Cron patterns: five fields, in a time zone. */

/** The error in a pattern; null without one. */
export function cronError(pattern: string): string | null {
	try {
		// A pattern that never occurs, such as the 31st of February, is an error.
		return of(pattern).nextRun() === null ? `${JSON.stringify(pattern)} never comes` : null;
	} catch (error) {
		const reason = (error as Error).message.replace(/^CronPattern: /, "").replace(/\.$/, "");
		return `${JSON.stringify(pattern)} is not a cron pattern of five fields, such as "0 3 * * 1-5": ${reason}`;
	}
}

/** Whether this is the IANA name of a time zone. */
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
 * The rule is close to Vixie cron's. If the hours are `*`, a step of it or `0-23`, times follow the
 * local clock. A skipped local time does not occur, and a repeated one occurs twice. All other
 * times occur once: when the clock first shows them, or at the moment when the clock skips them.
 * Steps of minutes (`*` or `/`) do not occur within the skipped time.
 */
export function nextTime(pattern: string, timeZone: string, after: number): number | null {
	const [minutes = "*", hours = "*"] = (NICKNAMES[pattern.trim().toLowerCase()] ?? pattern).trim().split(/\s+/);
	// croner has its own rules for such nights, so it lists the times of a clock that never
	// changes.
	const cron = of(pattern);
	const times: ClockTimes = (time) => cron.nextRun(new Date(time))?.getTime() ?? null;
	if (/^(?:[*?]|0-23)/.test(hours)) return nextByTheClock(times, timeZone, after);
	return nextOnce(times, timeZone, after, { skipsGaps: /[*?/]/.test(minutes) });
}

/** Nicknames of cron patterns. */
const NICKNAMES: Readonly<Record<string, string>> = {
	"@hourly": "0 *",
	"@daily": "0 0",
	"@midnight": "0 0",
	"@weekly": "0 0",
	"@monthly": "0 0",
	"@yearly": "0 0",
	"@annually": "0 0",
};

/** The first time of a pattern after a local time, both as if the clock were UTC. */
type ClockTimes = (time: number) => number | null;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** More than any change of clocks, and more than any offset from UTC. */
const FAR_MS = 27 * HOUR_MS;

function nextByTheClock(times: ClockTimes, timeZone: string, after: number): number | null {
	for (let from = after; ; ) {
		const ahead = aheadOf(from, timeZone);
		const shown = times(from + ahead);
		if (shown === null) return null;
		const near = Math.min(shown - ahead, from + FAR_MS);
		if (aheadOf(near, timeZone) !== ahead) {
			// The moment of the change itself counts, too.
			const change = changeBetween(from, near, timeZone);
			const changed = change + aheadOf(change, timeZone);
			if (times(changed - 1) === changed) return change;
			from = change;
		} else if (near === shown - ahead) return near;
		// No local time before that day matches the pattern.
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

/**
 * The latest local time of a zone up to a moment. It is later than the present local time after the
 * clocks were put back.
 */
function latestShown(moment: number, timeZone: string): number {
	const ahead = aheadOf(moment, timeZone);
	const before = moment - FAR_MS;
	const aheadBefore = aheadOf(before, timeZone);
	if (aheadBefore <= ahead) return moment + ahead;
	return Math.max(moment + ahead, changeBetween(before, moment, timeZone) + aheadBefore - 1);
}

/** The first moment at which the local time of a zone is this time or later. */
function firstReaching(shown: number, timeZone: string): number {
	const before = shown - FAR_MS;
	const ahead = aheadOf(before, timeZone);
	const moment = shown - ahead;
	if (aheadOf(moment, timeZone) === ahead) return moment;
	const change = changeBetween(before, moment, timeZone);
	return Math.max(change, shown - aheadOf(change, timeZone));
}

/**
 * When the clocks changed between two moments with different offsets from UTC, at a whole minute.
 */
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

/** Making a format takes longer than its use, so formats are cached. */
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

/** The offset of a zone from UTC, in milliseconds. */
function aheadOf(time: number, timeZone: string): number {
	const name = formatOf(timeZone).format(time);
	const [, sign = "+", hours = "0", minutes = "0"] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
	return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * MINUTE_MS;
}

function of(pattern: string): Cron {
	return new Cron(pattern, { utcOffset: 0, mode: "5-part", paused: true });
}
