import * as z from "zod";

/** What makes a run come about by itself: something that has happened in a repository, a time that has come, a person who asks for it. */

const TRIGGER_KINDS = ["push", "tag", "pull_request", "merge_group", "schedule", "manual"] as const;
/** What can happen to a pull request. */
export const PULL_REQUEST_EVENTS = ["opened", "updated", "ready_for_review", "closed"] as const;
/** Those that a pipeline runs for unless it says otherwise: a pull request that was closed needs no run. */
export const DEFAULT_PULL_REQUEST_EVENTS: readonly (typeof PULL_REQUEST_EVENTS)[number][] = ["opened", "updated", "ready_for_review"];

/** A full commit id. */
export const commitId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, "expected a full commit id");

const pullRequest = z.object({
	number: z.number().int().positive(),
	event: z.enum(PULL_REQUEST_EVENTS),
	title: z.string(),
	/** The branch that it is to go into. */
	target: z.string(),
	/** Whether it comes from another repository, so that its author may not write here. */
	is_from_fork: z.boolean(),
	/** Whether it is a draft. */
	draft: z.boolean().optional(),
	/** The names of its labels at that moment. */
	labels: z.array(z.string()).optional(),
});

export const trigger = z.object({
	kind: z.enum(TRIGGER_KINDS),
	/** What is to be checked out, by its full name: `refs/heads/main`, `refs/tags/v1`, `refs/pull/3/head`. */
	ref: z.string(),
	/** Of a pull request its own branch; of one from a fork with the owner before it, so that it is never taken for one of this repository. */
	branch: z.string().nullable(),
	tag: z.string().nullable(),
	/** Null: wherever the ref is when it is looked at. */
	sha: commitId.nullable(),
	/** The commit before it; null if there is none, or nobody has said. */
	before: commitId.nullable(),
	/** What was said of the commit; null if nobody has. */
	message: z.string().nullable(),
	pull_request: pullRequest.nullable(),
	/** Of a merge group the branch that it is to go into. */
	merge_target: z.string().optional(),
	/** Whether the push itself asks for no run, beside the commit message: `git push -o ci.skip` of GitLab. */
	asks_to_skip: z.boolean().optional(),
	/** What the forge says that the default branch of the repository is. */
	default_branch: z.string().optional(),
	/** Whom the forge, or the coordinator, knows it to come from. Never what a commit says of itself. */
	actor: z.string(),
});
export type Trigger = z.infer<typeof trigger>;

const SKIP = /\[(skip ci|ci skip|no ci|skip-ci)\]/i;

/**
 * Why the push or its commit message asks for no run; null where neither does. The commit message counts for pushes and pull
 * requests: a tag is run, whatever its commit says.
 */
export function whySkipped({ kind, asks_to_skip }: Pick<Trigger, "kind" | "asks_to_skip">, message: string | null): string | null {
	if (asks_to_skip) return "the push asks for it (ci.skip)";
	if (kind !== "push" && kind !== "pull_request") return null;
	return message !== null && SKIP.test(message) ? "the commit asks for it ([skip ci])" : null;
}
