import * as z from "zod";

/** What an id names; its prefix says so wherever it is met. */
export const ID_PREFIXES = { run: "run", job: "job", attempt: "att", agent: "agt" } as const;
export type IdKind = keyof typeof ID_PREFIXES;

const ULID = "[0-9A-HJKMNP-TV-Z]{26}";

/** The zod type of one kind of id, `run_01J…` and so on. */
function idOf(kind: IdKind) {
	return z.string().regex(new RegExp(`^${ID_PREFIXES[kind]}_${ULID}$`), `expected an id like ${ID_PREFIXES[kind]}_…`);
}

export const runId = idOf("run");
export const jobId = idOf("job");
export const attemptId = idOf("attempt");
export const agentId = idOf("agent");

/** Whether `text` is a well-formed id of that kind. */
export function isId(kind: IdKind, text: string): boolean {
	return new RegExp(`^${ID_PREFIXES[kind]}_${ULID}$`).test(text);
}
