import { MAX_REF_LENGTH, MAX_REFS } from "../../schema/wire/limits.ts";
import { isBranchOrTag, type ListedRef } from "../../schema/wire/refs.ts";
import { JobError } from "../outcome.ts";
import type { Git } from "./git.ts";

/** What a tag is followed by where the server tells of the commit that it points to. */
const PEELED = "^{}";

/** Lists the branches and tags of a repository, without fetching anything. @throws CheckoutFailed; JobError for more refs than are compared */
export async function listRefs(git: Git, address: string, say: (text: string) => Promise<void>): Promise<ListedRef[]> {
	const { refs, leftOut } = readListing(await git.overNetwork(() => git.output("ls-remote", "--heads", "--tags", address)));
	await say(`:: ${refs.length} branches and tags`);
	if (leftOut > 0) await say(`:: ${leftOut} more are left out: their names have more than ${MAX_REF_LENGTH} characters`);
	return refs;
}

/** Reads what `git ls-remote` prints. @throws JobError for more refs than are compared */
export function readListing(listing: string): { refs: ListedRef[]; leftOut: number } {
	const found = new Map<string, ListedRef>();
	let leftOut = 0;
	for (const [, id = "", name = ""] of listing.matchAll(/^([0-9a-f]{40,64})\t(.+)$/gm)) {
		const tag = name.endsWith(PEELED) ? found.get(name.slice(0, -PEELED.length)) : undefined;
		if (tag) found.set(tag.ref, { ref: tag.ref, sha: id, tag_object: tag.sha });
		else if (name.length > MAX_REF_LENGTH) leftOut += Number(!name.endsWith(PEELED));
		else if (isBranchOrTag(name)) found.set(name, { ref: name, sha: id, tag_object: null });
		if (found.size > MAX_REFS)
			throw new JobError("too_many_refs", `The repository has more than ${MAX_REFS} branches and tags. Delete some: no more are compared.`);
	}
	return { refs: [...found.values()], leftOut };
}
