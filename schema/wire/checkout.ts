import * as z from "zod";

/** How much of a repository the workspace of a job gets. */

/** None; those that the repository names; those and the ones that they name. */
export const SUBMODULES = ["none", "true", "recursive"] as const;
/** More commits than this are all of them: `full`. */
export const MAX_CHECKOUT_DEPTH = 1_000_000;

const options = {
	/** How many commits of history; `full`: all. */
	depth: z.union([z.number().int().min(1).max(MAX_CHECKOUT_DEPTH), z.literal("full")]),
	/** Whether all tags become refs; the tag that is checked out always does. */
	tags: z.boolean(),
	submodules: z.enum(SUBMODULES),
	/** Whether Git LFS's large files take the place of their pointers. */
	lfs: z.boolean(),
};

export const checkoutOptions = z.object(options);
export type CheckoutOptions = z.infer<typeof checkoutOptions>;

/** The same where only some are chosen. */
export const checkoutChoice = z.object(options).partial();
export type CheckoutChoice = z.infer<typeof checkoutChoice>;

const DEFAULTS: CheckoutOptions = { depth: 1, tags: false, submodules: "recursive", lfs: true };

/** What counts where several choose: the first one that says something. */
export function chosenCheckout(...choices: readonly CheckoutChoice[]): CheckoutOptions {
	return Object.assign({}, DEFAULTS, ...choices.toReversed());
}
