import * as z from "zod";
import { CHECKOUT_FILTERS, type CheckoutChoice, MAX_CHECKOUT_DEPTH, SUBMODULES } from "../../wire/checkout.ts";
import { addressError, isRef, REF_ERROR } from "../../wire/git.ts";
import { isId } from "../../wire/ids.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import { flag, meant, nonEmpty, rejecting, strict, withShorthand } from "./values.ts";

/** `source`: the repository or the upload that fills the workspace, and how much of it. */

const gitAddress = nonEmpty.superRefine(rejecting(addressError));
export const gitRef = nonEmpty.refine(isRef, REF_ERROR);

const DEPTH_ERROR = `The depth must be a number of commits from 1 to ${MAX_CHECKOUT_DEPTH}, or full.`;
const checkoutDepth = meant(
	z
		.union([z.number(), z.literal("full")], { error: () => DEPTH_ERROR })
		.refine((depth) => depth === "full" || (Number.isInteger(depth) && depth >= 1 && depth <= MAX_CHECKOUT_DEPTH), DEPTH_ERROR),
);
const submodules = withShorthand(
	z.enum(SUBMODULES, { error: () => "`submodules` must be none, true or recursive." }),
	[{ type: "boolean" }],
	(value) => {
		const written = value instanceof AmbiguousScalar ? value.value : value;
		return typeof written === "boolean" ? (written ? "true" : "none") : written;
	},
);

export const source = strict({
	git: gitAddress.optional().describe("A repository: https, ssh, `git@host:path`, `file://` or an absolute path; never with a password."),
	ref: gitRef
		.optional()
		.describe("A branch, a tag or a full commit id; the first job fixes the commit for all. Default: the repository's HEAD."),
	upload: nonEmpty
		.refine((id) => isId("source", id), "`upload` must be the id of an uploaded source (src_…).")
		.optional()
		.describe("Instead of `git`: an archive that was uploaded before (`src_…`)."),
	depth: checkoutDepth.optional().describe("How many commits of history: a number, or `full`. Default: the project's setting, or 1."),
	filter: z
		.enum(CHECKOUT_FILTERS, { error: () => "`filter` must be blob:none or none." })
		.optional()
		.describe(
			"What is left out of the history: `blob:none` fetches the contents of files only for the commit that is checked out, and others once a step asks for them. Then `depth` is `full` unless it says otherwise. Default: the project's setting, or `none`.",
		),
	tags: flag
		.optional()
		.describe(
			"Whether all tags of the repository are fetched. The tag that is checked out always is. Default: the project's setting, or false.",
		),
	submodules: submodules
		.optional()
		.describe(
			"Which submodules are checked out: `none`, `true` (those of the repository) or `recursive`. Default: the project's setting, or `recursive`.",
		),
	lfs: flag.optional().describe("Whether the large files of Git LFS are downloaded. Default: the project's setting, or true."),
}).transform((value, context): SourceText => {
	const { git, ref, upload, ...checkout } = value;
	if (checkout.filter === "blob:none" && checkout.depth === 1) {
		context.addIssue({
			code: "custom",
			path: ["filter"],
			message: "`filter` leaves something out of the history, and with `depth: 1` there is none. Remove one of the two.",
		});
		return z.NEVER;
	}
	const hasCheckout = Object.keys(checkout).length > 0;
	if (git !== undefined && upload === undefined) return { git, ref: ref ?? null, checkout };
	if (upload !== undefined && git === undefined && ref === undefined && !hasCheckout) return { upload };
	if (upload === undefined && git === undefined && ref === undefined && hasCheckout) return { checkout };
	const message =
		git === undefined && upload === undefined
			? "`source` needs `git` (the address of a repository) or `upload` (src_…)."
			: "`source` has either `git` with its keys, or `upload`, not both.";
	context.addIssue({ code: "custom", message });
	return z.NEVER;
});

/** A repository; an upload; or only how much of the project's repository is checked out. */
export type SourceText = { git: string; ref: string | null; checkout: CheckoutChoice } | { upload: string } | { checkout: CheckoutChoice };
