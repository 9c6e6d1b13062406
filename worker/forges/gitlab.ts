import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { isSameSecret } from "../auth/digest.ts";
import { type Deliverer, incomplete, pushed } from "./delivery.ts";

/** GitLab's webhooks. They are not signed: the secret itself comes in a header. */

const about = z.object({ project: z.object({ path_with_namespace: z.string() }) });
const push = about.extend({
	ref: z.string(),
	before: commitId.nullish(),
	after: commitId,
	checkout_sha: commitId.nullish(),
	user_username: z.string(),
	commits: z.array(z.object({ id: z.string(), message: z.string() })).nullish(),
	/** @see https://docs.gitlab.com/topics/git/commit/#push-options-for-gitlab-cicd */
	push_options: z.unknown().optional(),
});
/** `git push -o ci.skip`. GitLab 11.7 to 11.9 sent the options as a list. */
const skippingOptions = z.union([
	z.object({ ci: z.object({ skip: z.union([z.literal(true), z.literal("true"), z.literal(1), z.literal("1")]) }) }),
	z.array(z.unknown()).refine((options) => options.includes("ci.skip")),
]);
const mergeRequest = about.extend({
	user: z.object({ username: z.string() }),
	object_attributes: z.object({
		iid: z.number().int().positive(),
		title: z.string(),
		action: z.string().nullish(),
		oldrev: z.string().nullish(),
		source_branch: z.string(),
		target_branch: z.string(),
		/** Null where the repository is gone that it came from. */
		source_project_id: z.number().nullable(),
		target_project_id: z.number(),
		source: z.object({ namespace: z.string() }).nullish(),
		last_commit: z.object({ id: commitId, message: z.string().nullish() }),
	}),
});

function read(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "Push Hook":
		case "Tag Push Hook":
			return readPush(payload);
		case "Merge Request Hook":
			return readMergeRequest(payload);
		default:
			return `nothing is run for the event ${event}`;
	}
}

function readPush(payload: unknown): Trigger | string {
	const { data, error } = push.safeParse(payload);
	if (!data) throw incomplete(error.issues.map(({ path }) => path.join(".") || "payload").join(", "));
	const { ref, before, after, checkout_sha, user_username: actor, commits, push_options } = data;
	// Of an annotated tag `after` is the tag, not the commit.
	const sha = checkout_sha ?? after;
	const message = commits?.find(({ id }) => id === sha)?.message ?? null;
	const found = pushed({ ref, before: before ?? null, after: sha, message, actor });
	const asksToSkip = typeof found !== "string" && skippingOptions.safeParse(push_options).success;
	return asksToSkip ? { ...found, asks_to_skip: true } : found;
}

function readMergeRequest(payload: unknown): Trigger | string {
	const { data, error } = mergeRequest.safeParse(payload);
	if (!data) throw incomplete(error.issues.map(({ path }) => path.join(".") || "payload").join(", "));
	const { object_attributes: merge, user } = data;
	const event = eventOf(merge);
	if (!event)
		return `nothing is run for a merge request that is ${merge.action ?? "looked at"}${merge.action === "update" ? " without new commits" : ""}`;
	const isFromFork = merge.source_project_id !== merge.target_project_id;
	return {
		kind: "pull_request",
		ref: `refs/merge-requests/${merge.iid}/head`,
		branch: isFromFork ? `${merge.source?.namespace ?? "somebody"}:${merge.source_branch}` : merge.source_branch,
		tag: null,
		sha: merge.last_commit.id,
		before: null,
		message: merge.last_commit.message ?? null,
		pull_request: { number: merge.iid, event, title: merge.title.slice(0, 500), target: merge.target_branch, is_from_fork: isFromFork },
		actor: user.username,
	};
}

function eventOf({ action, oldrev }: z.infer<typeof mergeRequest>["object_attributes"]): "opened" | "updated" | "closed" | null {
	if (action === "open" || action === "reopen") return "opened";
	if (action === "update") return oldrev ? "updated" : null;
	return action === "close" || action === "merge" ? "closed" : null;
}

/** The secret itself was in a header: whatever the body is. */
const SIGNED_BY_HEADER = { update: () => undefined, isAuthentic: () => true };

export const gitlab: Deliverer = {
	forge: "gitlab",
	isIts: (headers) => headers.has("X-Gitlab-Event"),
	describe: (headers) => ({
		delivery: headers.get("Idempotency-Key") ?? headers.get("X-Gitlab-Event-UUID") ?? "",
		event: headers.get("X-Gitlab-Event") ?? "",
	}),
	signsBodyAlone: false,
	check: async (headers, secret) => ((await isSameSecret(headers.get("X-Gitlab-Token") ?? "", secret)) ? SIGNED_BY_HEADER : null),
	repositoryOf: (payload) => about.safeParse(payload).data?.project.path_with_namespace ?? null,
	read,
};
