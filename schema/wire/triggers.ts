import * as z from "zod";

/** Triggers of runs: an event in a repository, a due schedule, or a request of a person. */

const TRIGGER_KINDS = ["push", "tag", "pull_request", "merge_group", "schedule", "manual"] as const;
/** The events of runs: what triggers them, or `api` for a submission. */
export const RUN_EVENTS = [...TRIGGER_KINDS, "api"] as const;
/** The events of a pull request. */
export const PULL_REQUEST_EVENTS = ["opened", "updated", "ready_for_review", "closed"] as const;
/** The default events of a pipeline. A closed pull request needs no run. */
export const DEFAULT_PULL_REQUEST_EVENTS: readonly (typeof PULL_REQUEST_EVENTS)[number][] = ["opened", "updated", "ready_for_review"];

/** A full commit id. */
export const commitId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "expected a full commit id");

const pullRequest = z.object({
	number: z.number().int().positive(),
	event: z.enum(PULL_REQUEST_EVENTS),
	title: z.string(),
	/** The account that has opened it; missing where the forge does not name it. */
	author: z.string().optional(),
	/** The target branch. */
	target: z.string(),
	/** Whether it comes from a fork, whose author may not write to this repository. */
	is_from_fork: z.boolean(),
	/** Whether it is a draft. */
	draft: z.boolean().optional(),
	/** The names of its labels at that time. */
	labels: z.array(z.string()).optional(),
});

export const trigger = z.object({
	kind: z.enum(TRIGGER_KINDS),
	/**
	 * The full name of the ref to check out: `refs/heads/main`, `refs/tags/v1`, `refs/pull/3/head`.
	 */
	ref: z.string(),
	/**
	 * The branch; for a pull request its own one. A fork's branch has the owner as a prefix, so
	 * that it never equals a branch of this repository.
	 */
	branch: z.string().nullable(),
	tag: z.string().nullable(),
	/** Null: the commit of the ref at the time of the checkout. */
	sha: commitId.nullable(),
	/** The commit before it; null if there is none, or it is unknown. */
	before: commitId.nullable(),
	/** The commit message; null if it is unknown. */
	message: z.string().nullable(),
	pull_request: pullRequest.nullable(),
	/** The target branch of a merge group. */
	merge_target: z.string().optional(),
	/** Whether a push option asks for no run, as GitLab's `git push -o ci.skip` does. */
	asks_to_skip: z.boolean().optional(),
	/** The default branch of the repository, as the forge says. */
	default_branch: z.string().optional(),
	/** The author as the forge or the coordinator knows it, never as the commit says. */
	actor: z.string(),
});
export type Trigger = z.infer<typeof trigger>;

const SKIP = /\[(skip ci|ci skip|no ci|skip-ci)\]/i;

/**
 * Why the push or its commit message asks for no run; null otherwise. The commit message counts for
 * pushes and pull requests, not for tags.
 */
export function whySkipped({ kind, asks_to_skip }: Pick<Trigger, "kind" | "asks_to_skip">, message: string | null): string | null {
	if (asks_to_skip) return "the push asks for it (ci.skip)";
	if (kind !== "push" && kind !== "pull_request") return null;
	return message !== null && SKIP.test(message) ? "the commit asks for it ([skip ci])" : null;
}
