import * as z from "zod";

/** How much of a repository the workspace of a job gets. */

/** None; the submodules of the repository; those and their own submodules. */
export const SUBMODULES = ["none", "true", "recursive"] as const;
/** Which objects are left out: none; the contents of files that only other commits have. */
export const CHECKOUT_FILTERS = ["none", "blob:none"] as const;
/** A larger number of commits means all of them: `full`. */
export const MAX_CHECKOUT_DEPTH = 1_000_000;

const options = {
	/** How many commits of history; `full`: all. */
	depth: z.union([z.number().int().min(1).max(MAX_CHECKOUT_DEPTH), z.literal("full")]),
	/** Git fetches what is left out once a step asks for it. */
	filter: z.enum(CHECKOUT_FILTERS),
	/** Whether all tags become refs; the tag that is checked out always does. */
	tags: z.boolean(),
	submodules: z.enum(SUBMODULES),
	/** Whether Git LFS's large files take the place of their pointers. */
	lfs: z.boolean(),
};

export const checkoutOptions = z.object(options);
export type CheckoutOptions = z.infer<typeof checkoutOptions>;

/** The options of which only some are chosen. */
export const checkoutChoice = z.object(options).partial();
export type CheckoutChoice = z.infer<typeof checkoutChoice>;

const DEFAULTS: Omit<CheckoutOptions, "depth"> = { filter: "none", tags: false, submodules: "recursive", lfs: true };

/**
 * The options after several choices: for each option, the first choice that has it. A filter is for
 * the history: where it is chosen, the history is all of it, unless the same choice or an earlier
 * one says otherwise.
 */
export function chosenCheckout(...choices: readonly CheckoutChoice[]): CheckoutOptions {
	const { depth: _, ...chosen }: Omit<CheckoutOptions, "depth"> & CheckoutChoice = Object.assign({}, DEFAULTS, ...choices.toReversed());
	const isPartial = chosen.filter !== "none";
	const deciding = isPartial ? choices.slice(0, choices.findIndex(({ filter }) => filter !== undefined) + 1) : choices;
	const depth = deciding.find((choice) => choice.depth !== undefined)?.depth;
	return { ...chosen, depth: depth ?? (isPartial ? "full" : 1) };
}
