import { ulid } from "ulid";

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
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

const ULID = "[0-9A-HJKMNP-TV-Z]{26}";

/** Whether `text` is a well-formed id of that kind. */
export function isId(kind: IdKind, text: string): boolean {
	return new RegExp(`^${ID_PREFIXES[kind]}_${ULID}$`).test(text);
}

/** A new id of that kind. Ids sort by the millisecond of their creation. */
export function newId(kind: IdKind): string {
	return `${ID_PREFIXES[kind]}_${ulid()}`;
}
