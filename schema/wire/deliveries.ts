import * as z from "zod";
import { commitId, trigger } from "./triggers.ts";

/** Deliveries to the webhook of a project, with their outcomes. */

/**
 * `received`: stored, but not handled yet. `accepted`: a discovery run was made. `ignored`: there
 * is nothing to do. `rejected`: not accepted, and its content is not trusted.
 */
const OUTCOMES = ["received", "accepted", "ignored", "rejected"] as const;
export type DeliveryOutcome = (typeof OUTCOMES)[number];

/**
 * The providers of deliveries. `generic`: any program. `comparison`: found by a comparison of the
 * refs, not delivered.
 */
const DELIVERING = ["github", "gitea", "gitlab", "generic", "comparison"] as const;

export const delivery = z.object({
	id: z.string(),
	project: z.string(),
	forge: z.enum(DELIVERING),
	/** The id at the forge. */
	delivery: z.string(),
	event: z.string(),
	outcome: z.enum(OUTCOMES),
	reason: z.string(),
	trigger: trigger.nullable(),
	run_id: z.string().nullable(),
	received_at: z.string(),
});
export type Delivery = z.infer<typeof delivery>;

/** The answer of a webhook. */
export const hookAnswer = delivery.pick({ outcome: true, reason: true, run_id: true }).extend({
	id: z.string(),
	/** Whether the delivery was received before. */
	is_repeat: z.boolean(),
});
export type HookAnswer = z.infer<typeof hookAnswer>;

/** The payload of any program, signed as Standard Webhooks are. */
export const genericPayload = z.strictObject({
	/** `refs/heads/…` or `refs/tags/…`. */
	ref: z.string().max(500),
	/** The commit; all zeros if the ref was deleted. */
	after: commitId,
	before: commitId.nullish(),
	/** The commit message. */
	message: z.string().max(10_000).nullish(),
	/** The person to name for it. */
	actor: z.string().max(200).nullish(),
});
