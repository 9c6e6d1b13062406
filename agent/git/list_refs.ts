import { MAX_REF_LENGTH, MAX_REFS } from "../../schema/wire/limits.ts";
import { isBranchOrTag, type ListedRef } from "../../schema/wire/refs.ts";
import { JobError } from "../outcome.ts";
import type { Git } from "./git.ts";

/** The end of a tag's name on the line with the commit that the tag points to. */
const PEELED = "^{}";

/**
 * Lists the branches and tags of a repository.
 * @throws CheckoutFailed; JobError for too many refs
 */
export async function listRefs(git: Git, address: string, writeLine: (text: string) => Promise<void>): Promise<ListedRef[]> {
	const { refs, leftOut } = readListing(await git.overNetwork(() => git.output("ls-remote", "--heads", "--tags", address)));
	await writeLine(`:: ${refs.length} branches and tags`);
	if (leftOut > 0) await writeLine(`:: ${leftOut} refs are left out: their names have more than ${MAX_REF_LENGTH} characters`);
	return refs;
}

/** Parses the output of `git ls-remote`. @throws JobError for too many refs */
export function readListing(listing: string): { refs: ListedRef[]; leftOut: number } {
	const found = new Map<string, ListedRef>();
	let leftOut = 0;
	for (const [, id = "", name = ""] of listing.matchAll(/^([0-9a-f]{40,64})\t(.+)$/gm)) {
		const tag = name.endsWith(PEELED) ? found.get(name.slice(0, -PEELED.length)) : undefined;
		if (tag) found.set(tag.ref, { ref: tag.ref, sha: id, tag_object: tag.sha });
		else if (name.length > MAX_REF_LENGTH) leftOut += Number(!name.endsWith(PEELED));
		else if (isBranchOrTag(name)) found.set(name, { ref: name, sha: id, tag_object: null });
		if (found.size > MAX_REFS)
			throw new JobError(
				"too_many_refs",
				`The repository has more than the ${MAX_REFS} branches and tags that Windlass can compare. Delete some of them.`,
			);
	}
	return { refs: [...found.values()], leftOut };
}
