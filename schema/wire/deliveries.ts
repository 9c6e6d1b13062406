import * as z from "zod";
import { commitId, trigger } from "./triggers.ts";

/** What forges deliver to the hook of a project, and what became of it. */

/**
 * `received`: it was taken, and what follows has not happened yet. `accepted`: a discovery run was made. `ignored`: there is nothing to do.
 * `rejected`: it was not taken; of its content nothing is known.
 */
const OUTCOMES = ["received", "accepted", "ignored", "rejected"] as const;
export type DeliveryOutcome = (typeof OUTCOMES)[number];

/**
 * What forges are called in deliveries: one that any program can make is `generic`. `comparison`: a comparison of the refs has found what no
 * delivery has brought.
 */
const DELIVERING = ["github", "gitea", "gitlab", "generic", "comparison"] as const;

export const delivery = z.object({
	id: z.string(),
	project: z.string(),
	forge: z.enum(DELIVERING),
	/** What the forge calls it. */
	delivery: z.string(),
	event: z.string(),
	outcome: z.enum(OUTCOMES),
	reason: z.string(),
	trigger: trigger.nullable(),
	run_id: z.string().nullable(),
	received_at: z.string(),
});
export type Delivery = z.infer<typeof delivery>;

/** What a hook answers. */
export const hookAnswer = delivery.pick({ outcome: true, reason: true, run_id: true }).extend({
	id: z.string(),
	/** Whether it was here before. */
	is_repeat: z.boolean(),
});
export type HookAnswer = z.infer<typeof hookAnswer>;

/** What any program can deliver, signed as Standard Webhooks are. */
export const genericPayload = z.strictObject({
	/** `refs/heads/…` or `refs/tags/…`. */
	ref: z.string().max(500),
	/** The commit; all zeros: the ref is gone. */
	after: commitId,
	before: commitId.nullish(),
	/** What is said of the commit. */
	message: z.string().max(10_000).nullish(),
	/** Who is to be named for it. */
	actor: z.string().max(200).nullish(),
});
