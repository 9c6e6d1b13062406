/** Numbers in reports, which tools write in the format of their locale. */

const SPACES = /[\s'’\u00a0\u202f_]/g;
/** No test takes longer: a sum of so many stays a number that everyone can store. */
const MAX_SECONDS = 30 * 24 * 60 * 60;

/**
 * A number in the way of any locale: "1,234.5", "1.234,5", "1 234,5", "0,123". Of points and commas
 * the last kind is the decimal sign; one that comes several times groups digits. A lone comma is a
 * decimal sign, since seconds rarely come in thousands.
 * @returns null if the text is not a number
 */
export function readNumber(text: string | undefined): number | null {
	if (text === undefined || text.length > 100) return null;
	const compact = text.replace(SPACES, "");
	const decimal = compact.lastIndexOf(",") > compact.lastIndexOf(".") ? "," : ".";
	const other = decimal === "," ? "." : ",";
	const isGroup = compact.indexOf(decimal) !== compact.lastIndexOf(decimal);
	const plain = compact.replaceAll(other, "").replaceAll(decimal, isGroup ? "" : ".");
	if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
	return Number(plain);
}

/** A time in seconds as milliseconds: 0 for an invalid time. */
export function durationOf(seconds: number | null): number {
	return seconds === null || !(seconds > 0) ? 0 : Math.min(seconds, MAX_SECONDS) * 1000;
}
