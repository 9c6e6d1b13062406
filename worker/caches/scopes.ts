import type { RunFacts } from "../../schema/pipeline/expressions/scope.ts";
import type { CACHE_SCOPES } from "../../schema/wire/caches.ts";

/**
 * Whose runs read and write a cache. A run reads its own scope and those of more trusted runs, and
 * writes its own alone: nothing that it writes reaches a run that is trusted more.
 */

/** A run that uses caches. */
export interface CachingRun {
	facts: Pick<RunFacts, "branch" | "tag" | "pull_request" | "target_branch">;
	isTrusted: boolean;
	/** Whether its source was uploaded: it may be what no branch has. */
	isUpload: boolean;
}

export interface Scopes {
	/** The scope that the run writes to. */
	own: string;
	/** The scopes that it reads, the nearest first. */
	readable: readonly string[];
}

/** The scope of `scope: project`. */
const PROJECT = "project";
/** The scope of trusted runs without a branch, and of uploaded sources. */
const SUBMITTED = "submitted";

/**
 * The scopes of a run.
 * @param wanted `project` for a cache that every trusted run of the project reads and writes
 * @returns null where the run may not use such a cache
 */
export function scopesOf(
	{ facts, isTrusted, isUpload }: CachingRun,
	wanted: (typeof CACHE_SCOPES)[number],
	defaultBranch: string,
): Scopes | null {
	const { branch, tag, pull_request, target_branch } = facts;
	const ofDefault = branchScope(defaultBranch);
	// Nobody but this pull request reads what a fork writes.
	if (!isTrusted) return wanted === "project" ? null : { own: `fork ${pull_request}`, readable: [`fork ${pull_request}`, ofDefault] };
	if (wanted === "project") return { own: PROJECT, readable: [PROJECT] };
	const ofTarget = target_branch === "" ? [] : [branchScope(target_branch)];
	const ofBranch = branch === "" ? [] : [branchScope(branch)];
	if (isUpload) return { own: SUBMITTED, readable: [...new Set([SUBMITTED, ...ofBranch, ofDefault])] };
	const own = pull_request !== "" ? `pull ${pull_request}` : tag !== "" ? `tag ${tag}` : (ofBranch[0] ?? SUBMITTED);
	return { own, readable: [...new Set([own, ...ofTarget, ofDefault])] };
}

/** A scope in words. */
export function scopeWords(scope: string): string {
	if (scope === PROJECT) return "whole project";
	if (scope === SUBMITTED) return "submitted runs";
	return scope.replace(/^pull /, "pull request ").replace(/^fork /, "fork of pull request ");
}

function branchScope(branch: string): string {
	return `branch ${branch}`;
}
