import type { CheckoutChoice } from "../../wire/checkout.ts";
import type { SourceText } from "../validate/source.ts";
import type { ResolvedPipeline } from "./resolved.ts";

/** The repository of a project. */
export interface ProjectRepository {
	address: string;
	/** The default branch. */
	branch: string;
}

/**
 * The source of the submission, else of the pipeline, else the repository of the project at the
 * wanted branch.
 */
export function resolvedSource(
	written: SourceText | undefined,
	submitted: SourceText | undefined,
	repository: ProjectRepository | null,
	branch: string | undefined,
): ResolvedPipeline["source"] {
	const ofProject = repository ? { git: repository.address, ref: branch ?? repository.branch } : null;
	const named = [submitted, written].find((one) => one !== undefined && ("git" in one || "upload" in one)) ?? ofProject;
	if (named === null || "upload" in named) return named;
	const { git, ref } = named as { git: string; ref: string | null };
	return { git, ref: ref && completeRef(ref), checkout: { ...choiceIn(written), ...choiceIn(submitted) } };
}

/** `tags/v2` is `refs/tags/v2`, as gitrevisions(7) completes it. */
function completeRef(ref: string): string {
	return /^(tags|heads)\//.test(ref) ? `refs/${ref}` : ref;
}

/** Whether a pipeline says how much of its repository is checked out. */
export function hasCheckoutChoice(source: SourceText | undefined): boolean {
	return Object.keys(choiceIn(source)).length > 0;
}

function choiceIn(source: SourceText | undefined): CheckoutChoice {
	return source !== undefined && "checkout" in source ? source.checkout : {};
}

/** A full commit id. */
export const FULL_COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

/** The branch of a source; null for tags, commits and uploads. */
export function branchOf(source: ResolvedPipeline["source"]): string | null {
	if (!source || !("git" in source) || source.ref === null) return null;
	if (FULL_COMMIT.test(source.ref) || source.ref.startsWith("refs/tags/")) return null;
	return source.ref.replace(/^refs\/heads\//, "");
}
