import { decodeTime, encodeTime, ulid } from "ulid";

/** The kinds of ids, with their prefixes. */
export const ID_PREFIXES = {
	run: "run",
	job: "job",
	attempt: "att",
	agent: "agt",
	registration: "reg",
	source: "src",
	project: "prj",
	delivery: "dlv",
	schedule: "sch",
	pipeline: "pip",
	session: "ses",
	cache: "cch",
	token: "tok",
	person: "per",
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

/** The characters of a ULID that are random; the others are its time. */
const RANDOM_CHARACTERS = 16;
const ULID = "[0-9A-HJKMNP-TV-Z]{26}";

const PATTERNS = Object.fromEntries(
	Object.entries(ID_PREFIXES).map(([kind, prefix]) => [kind, new RegExp(`^${prefix}_${ULID}$`)]),
) as Record<IdKind, RegExp>;

/** Whether `text` is a well-formed id of that kind. */
export function isId(kind: IdKind, text: string): boolean {
	return PATTERNS[kind].test(text);
}

/** When an id was made, in milliseconds since 1970; null for a text that is no id of that kind. */
export function timeOfId(kind: IdKind, text: string): number | null {
	const id = text.slice(ID_PREFIXES[kind].length + 1);
	// The time has 48 of the 50 bits of its characters: a greater first character is no time.
	return isId(kind, text) && id < "8" ? decodeTime(id) : null;
}

/** The smallest id that could have been made at that time, for comparisons. */
export function firstId(kind: IdKind, time: number): string {
	return `${ID_PREFIXES[kind]}_${encodeTime(Math.max(0, time), 10)}${"0".repeat(RANDOM_CHARACTERS)}`;
}

/** A new id of that kind. Ids sort by the millisecond of their creation. */
export function newId(kind: IdKind): string {
	// One call for all random characters: ulid itself makes one for each.
	const random = crypto.getRandomValues(new Uint8Array(RANDOM_CHARACTERS));
	let at = 0;
	return `${ID_PREFIXES[kind]}_${ulid(undefined, () => (random[at++] ?? 0) / 256)}`;
}
