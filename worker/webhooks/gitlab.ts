import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { isSameSecret } from "../identity/digest.ts";
import { type Deliverer, incomplete, labelNames, MAX_MESSAGE, pushed, SOMEBODY } from "./delivery.ts";
import { details, flag, knownCommit, listOf, words } from "./fields.ts";

/** GitLab's webhooks. They are not signed: the secret itself comes in a header. */

const about = z.object({ project: z.object({ path_with_namespace: z.string().min(1) }) });
const push = about.extend({
	ref: z.string().min(1),
	before: knownCommit,
	after: commitId,
	checkout_sha: knownCommit,
	user_username: words,
	commits: listOf(z.object({ id: z.string(), message: z.string() })),
	/** @see https://docs.gitlab.com/topics/git/commit/#push-options-for-gitlab-cicd */
	push_options: z.unknown().optional(),
});
const acted = z.object({ object_attributes: z.object({ action: words, oldrev: words }), changes: z.unknown().optional() });
/** `git push -o ci.skip`. GitLab 11.7 to 11.9 sent the options as a list. */
const skippingOptions = z.union([
	z.object({ ci: z.object({ skip: z.union([z.literal(true), z.literal("true"), z.literal(1), z.literal("1")]) }) }),
	z.array(z.unknown()).refine((options) => options.includes("ci.skip")),
]);
const mergeRequest = about.extend({
	user: details({ username: words }),
	object_attributes: z.object({
		iid: z.number().int().positive(),
		title: words,
		source_branch: z.string().min(1),
		target_branch: z.string().min(1),
		/** Null where the repository is gone that it came from. */
		source_project_id: z.unknown().optional(),
		target_project_id: z.unknown().optional(),
		source: details({ namespace: words }),
		last_commit: details({ id: knownCommit, message: words }),
		draft: flag,
		/** What versions before 13.2 call a draft. */
		work_in_progress: flag,
		labels: listOf(z.object({ title: z.string() })),
	}),
});
/** What an update has changed. */
const changes = details({
	target_branch: details({ current: words }),
	draft: details({ previous: flag, current: flag }),
	work_in_progress: details({ previous: flag, current: flag }),
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
	if (!data) throw incomplete(error);
	const { ref, before, after, checkout_sha, user_username, commits, push_options } = data;
	// Of an annotated tag `after` is the tag, not the commit.
	const commit = checkout_sha ?? after;
	const message = commits.find(({ id }) => id === commit)?.message ?? null;
	const found = pushed({ ref, before, after, commit, message, actor: user_username ?? SOMEBODY });
	const asksToSkip = typeof found !== "string" && skippingOptions.safeParse(push_options).success;
	return asksToSkip ? { ...found, asks_to_skip: true } : found;
}

function readMergeRequest(payload: unknown): Trigger | string {
	const said = acted.safeParse(payload);
	if (!said.data) throw incomplete(said.error);
	const { action } = said.data.object_attributes;
	const event = eventOf(said.data);
	if (!event)
		return `nothing is run for a merge request that is ${action ?? "looked at"}${action === "update" ? " without new commits" : ""}`;
	const { data, error } = mergeRequest.safeParse(payload);
	if (!data) throw incomplete(error);
	const { object_attributes: merge, user } = data;
	const isOwn = typeof merge.source_project_id === "number" && merge.source_project_id === merge.target_project_id;
	return {
		kind: "pull_request",
		ref: `refs/merge-requests/${merge.iid}/head`,
		branch: isOwn ? merge.source_branch : `${merge.source.namespace ?? SOMEBODY}:${merge.source_branch}`,
		tag: null,
		sha: merge.last_commit.id,
		before: null,
		message: merge.last_commit.message?.slice(0, MAX_MESSAGE) ?? null,
		pull_request: {
			number: merge.iid,
			event,
			title: (merge.title ?? "").slice(0, 500),
			target: merge.target_branch,
			is_from_fork: !isOwn,
			draft: merge.draft || merge.work_in_progress,
			labels: labelNames(merge.labels.map(({ title }) => title)),
		},
		actor: user.username ?? SOMEBODY,
	};
}

type PullRequestEvent = NonNullable<Trigger["pull_request"]>["event"];

function eventOf({ object_attributes: { action, oldrev }, changes: changed }: z.infer<typeof acted>): PullRequestEvent | null {
	if (action === "open" || action === "reopen") return "opened";
	if (action === "close" || action === "merge") return "closed";
	if (action !== "update") return null;
	const { target_branch, draft, work_in_progress } = changes.parse(changed);
	if (oldrev !== null || target_branch.current !== null) return "updated";
	return [draft, work_in_progress].some(({ previous, current }) => previous && !current) ? "ready_for_review" : null;
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
	signsPayloadOfForms: false,
	check: async (headers, secret) => ((await isSameSecret(headers.get("X-Gitlab-Token") ?? "", secret)) ? SIGNED_BY_HEADER : null),
	repositoryOf: (payload) => about.safeParse(payload).data?.project.path_with_namespace ?? null,
	read,
};
