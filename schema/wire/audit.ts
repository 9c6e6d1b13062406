import * as z from "zod";
import { ACTIONS } from "./permissions.ts";

/**
 * The audit log: who changed what, and when. Each entry has a hash over itself and the hash before,
 * so that a change of an old entry shows in all that follow.
 */

/** What is recorded beside the actions of people. */
const OTHER_EVENTS = ["sign_in", "people.join", "agents.join", "secrets.read"] as const;

/** The actions that change something for others, and the other events. */
export const AUDITED = [
	...(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]).filter((action) => "isAudited" in ACTIONS[action]),
	...OTHER_EVENTS,
] as const;

const OUTCOMES = ["done", "refused"] as const;

/** An entry without its place in the chain. */
const auditRecord = z.object({
	/** Milliseconds since 1970. */
	at: z.number().int(),
	event: z.string(),
	/** The name of a person, a program, an agent or a job. */
	actor: z.string(),
	/** The id of the token or the session; null: neither. */
	via: z.string().nullable(),
	/** The method and the path; for an event that is no request, what it was about. */
	what: z.string(),
	/** More about it, such as the project of a secret. Never a value of a secret. */
	details: z.record(z.string(), z.union([z.string(), z.null()])),
	outcome: z.enum(OUTCOMES),
	/** The address of the client; null: the coordinator itself. */
	address: z.string().nullable(),
	request_id: z.string().nullable(),
});
export type AuditRecord = z.infer<typeof auditRecord>;

export const auditEntry = auditRecord.extend({ seq: z.number().int().positive(), hash: z.string() });
export type AuditEntry = z.infer<typeof auditEntry>;

/** A place in the chain: an entry and its hash. */
export const chainPlace = z.object({ seq: z.number().int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) });
export type ChainPlace = z.infer<typeof chainPlace>;

/** Before the first entry. */
export const BEGINNING: ChainPlace = { seq: 0, hash: "0".repeat(64) };

/** The first line of an export: the place before its first entry. */
export const exportHead = z.object({ after: chainPlace });

/** The text whose SHA-256 is the hash of an entry: the hash before, and each field in this order. */
export function chainedText(before: string, entry: Omit<AuditEntry, "hash">): string {
	const { seq, at, event, actor, via, what, details, outcome, address, request_id } = entry;
	const sorted = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
	return JSON.stringify([before, seq, at, event, actor, via, what, sorted, outcome, address, request_id]);
}
