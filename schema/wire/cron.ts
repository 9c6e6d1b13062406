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
 * comes as soon as they have; in one in which they go back, a time that is there twice comes once.
 */
export function nextTime(pattern: string, timeZone: string, after: number): number | null {
	return of(pattern, timeZone).nextRun(new Date(after))?.getTime() ?? null;
}

function of(pattern: string, timezone: string): Cron {
	return new Cron(pattern, { timezone, mode: "5-part", paused: true });
}
