import * as z from "zod";
import { commitId } from "../../schema/wire/triggers.ts";

/**
 * Fields of deliveries. A forge may send null, an empty text or nothing for what it does not know, and GitLab disables a webhook that gets
 * 400 for that: so a field is essential only if nobody can tell without it what to run, or for whom.
 */

/** A text that only describes; null for one that is not there. */
export const words = z
	.unknown()
	.optional()
	.transform((value) => (typeof value === "string" && value !== "" ? value : null));

/** A commit that a forge may not know. */
export const knownCommit = z
	.union([commitId, z.literal(""), z.null()])
	.optional()
	.transform((value) => value || null);

/** An object that only describes; empty for one that is not there. */
export function details<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.preprocess((value) => (typeof value === "object" && value !== null ? value : {}), z.object(shape));
}

/** A list that only describes; what is in it and is not of the right kind is left out. */
export function listOf<Item>(item: z.ZodType<Item>) {
	return z
		.unknown()
		.optional()
		.transform((value) => (Array.isArray(value) ? value.slice(0, MAX_LIST) : []).flatMap((one) => item.safeParse(one).data ?? []));
}

/** GitHub sends at most 2,048 commits with a push, and GitLab 20. */
const MAX_LIST = 2_048;

/** True only where a forge says so. */
export const flag = z
	.unknown()
	.optional()
	.transform((value) => value === true);
