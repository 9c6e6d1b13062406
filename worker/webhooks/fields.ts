import * as z from "zod";
import { commitId } from "../../schema/wire/triggers.ts";

/**
 * Fields of deliveries. A forge may send null, an empty text or nothing for a field that it does
 * not know. GitLab disables a webhook that gets 400, so only the fields that decide what to run
 * are required.
 */

/** An optional text; null where it is missing or empty. */
export const optionalText = z
	.unknown()
	.optional()
	.transform((value) => (typeof value === "string" && value !== "" ? value : null));

/** A commit id that a forge may leave out. */
export const knownCommit = z
	.union([commitId, z.literal(""), z.null()])
	.optional()
	.transform((value) => value || null);

/** An optional object; empty where it is missing. */
export function optionalObject<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.preprocess((value) => (typeof value === "object" && value !== null ? value : {}), z.object(shape));
}

/** An optional list, without the items of another type. */
export function optionalList<Item>(item: z.ZodType<Item>) {
	return z
		.unknown()
		.optional()
		.transform((value) => (Array.isArray(value) ? value.slice(0, MAX_LIST) : []).flatMap((one) => item.safeParse(one).data ?? []));
}

/** GitHub sends at most 2,048 commits with a push, and GitLab 20. */
const MAX_LIST = 2_048;

/** True only for a literal true. */
export const flag = z
	.unknown()
	.optional()
	.transform((value) => value === true);
