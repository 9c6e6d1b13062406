import * as z from "zod";
import { MAX_REF_LENGTH, MAX_REFS } from "./limits.ts";
import { commitId } from "./triggers.ts";

/** The branches and tags of a repository, as an agent lists them for a comparison. */

/** Whether a full name is that of a branch or a tag. */
export function isBranchOrTag(ref: string): boolean {
	return /^refs\/(heads|tags)\/./.test(ref);
}

const listedRef = z.strictObject({
	ref: z.string().max(MAX_REF_LENGTH).refine(isBranchOrTag, "is neither a branch nor a tag"),
	/** The commit. */
	sha: commitId,
	/** The id of an annotated tag itself; null for anything else. */
	tag_object: commitId.nullable(),
});
export type ListedRef = z.infer<typeof listedRef>;

/** The result of the agent. */
export const listedRefs = z
	.array(listedRef)
	.max(MAX_REFS, `has more than ${MAX_REFS} refs`)
	.refine((refs) => new Set(refs.map(({ ref }) => ref)).size === refs.length, "names a ref twice");
