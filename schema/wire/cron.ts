import { Cron } from "croner";

/** Times by cron: five fields, in a time zone. */

/** What is wrong with a pattern; null if nothing is. */
export function cronFault(pattern: string): string | null {
	try {
		// A pattern that never comes is of no use, such as the 31st of February.
		return of(pattern, "UTC").nextRun() === null ? `${JSON.stringify(pattern)} never comes` : null;
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
 * The first time after `after`, in milliseconds since 1970; null if there is none. In a night in which clocks go forward a time that does not exist
 * comes as soon as they have; in one in which they go back, a time that is there twice comes once, unless it is one of every hour.
 */
export function nextTime(pattern: string, timeZone: string, after: number): number | null {
	const next = of(pattern, timeZone).nextRun(new Date(after))?.getTime() ?? null;
	const [, hours = "*"] = pattern.trim().split(/\s+/);
	const isEverySoOften = hours.startsWith("*");
	return next === null || isEverySoOften || !hasBeen(next, timeZone) ? next : nextTime(pattern, timeZone, next);
}

const LONGEST_STEP_MS = 3 * 60 * 60_000;

/** Whether the clocks of a zone have shown at an earlier moment what they show at this one. */
function hasBeen(time: number, timeZone: string): boolean {
	const steppedBy = aheadOf(time - LONGEST_STEP_MS, timeZone) - aheadOf(time, timeZone);
	return steppedBy > 0 && aheadOf(time - steppedBy, timeZone) === aheadOf(time - LONGEST_STEP_MS, timeZone);
}

/** By how much the clocks of a zone are ahead of UTC, in milliseconds. */
function aheadOf(time: number, timeZone: string): number {
	const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(time);
	const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
	const [, sign = "+", hours = "0", minutes = "0"] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
	return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

function of(pattern: string, timezone: string): Cron {
	return new Cron(pattern, { timezone, mode: "5-part", paused: true });
}
