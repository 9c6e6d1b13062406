import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { isSameSecret } from "../identity/digest.ts";
import { incomplete, labelNames, MAX_MESSAGE, type Provider, pushTrigger, SOMEBODY } from "./delivery.ts";
import { flag, knownCommit, optionalList, optionalObject, optionalText } from "./fields.ts";

/** Webhooks of GitLab. GitLab sends the secret itself in a header instead of a signature. */

const about = z.object({ project: z.object({ path_with_namespace: z.string().min(1) }) });
const push = about.extend({
	ref: z.string().min(1),
	before: knownCommit,
	after: commitId,
	checkout_sha: knownCommit,
	user_username: optionalText,
	commits: optionalList(z.object({ id: z.string(), message: z.string() })),
	/** @see https://docs.gitlab.com/topics/git/commit/#push-options-for-gitlab-cicd */
	push_options: z.unknown().optional(),
});
const withAction = z.object({
	object_attributes: z.object({ action: optionalText, oldrev: optionalText }),
	changes: z.unknown().optional(),
});
/** `git push -o ci.skip`. GitLab 11.7 to 11.9 send the options as a list. */
const skipOptions = z.union([
	z.object({ ci: z.object({ skip: z.union([z.literal(true), z.literal("true"), z.literal(1), z.literal("1")]) }) }),
	z.array(z.unknown()).refine((options) => options.includes("ci.skip")),
]);
const mergeRequest = about.extend({
	user: optionalObject({ id: z.unknown().optional(), username: optionalText }),
	object_attributes: z.object({
		iid: z.number().int().positive(),
		title: optionalText,
		author_id: z.unknown().optional(),
		source_branch: z.string().min(1),
		target_branch: z.string().min(1),
		/** Null where the source repository was deleted. */
		source_project_id: z.unknown().optional(),
		target_project_id: z.unknown().optional(),
		source: optionalObject({ namespace: optionalText }),
		last_commit: optionalObject({ id: knownCommit, message: optionalText }),
		draft: flag,
		/** The name of `draft` before GitLab 13.2. */
		work_in_progress: flag,
		labels: optionalList(z.object({ title: z.string() })),
	}),
});
/** The changes of an update. */
const changes = optionalObject({
	target_branch: optionalObject({ current: optionalText }),
	draft: optionalObject({ previous: flag, current: flag }),
	work_in_progress: optionalObject({ previous: flag, current: flag }),
});

function read(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "Push Hook":
		case "Tag Push Hook":
			return readPush(payload);
		case "Merge Request Hook":
			return readMergeRequest(payload);
		default:
			return `no run for the event ${event}`;
	}
}

function readPush(payload: unknown): Trigger | string {
	const { data, error } = push.safeParse(payload);
	if (!data) throw incomplete(error);
	const { ref, before, after, checkout_sha, user_username, commits, push_options } = data;
	// `after` of an annotated tag is the tag object, not the commit.
	const commit = checkout_sha ?? after;
	const message = commits.find(({ id }) => id === commit)?.message ?? null;
	const found = pushTrigger({ ref, before, after, commit, message, actor: user_username ?? SOMEBODY });
	const asksToSkip = typeof found !== "string" && skipOptions.safeParse(push_options).success;
	return asksToSkip ? { ...found, asks_to_skip: true } : found;
}

function readMergeRequest(payload: unknown): Trigger | string {
	const parsed = withAction.safeParse(payload);
	if (!parsed.data) throw incomplete(parsed.error);
	const { action } = parsed.data.object_attributes;
	const event = eventOf(parsed.data);
	if (!event) return `no run for the merge request action ${action ?? "unknown"}${action === "update" ? " without new commits" : ""}`;
	const { data, error } = mergeRequest.safeParse(payload);
	if (!data) throw incomplete(error);
	const { object_attributes: merge, user } = data;
	// The author has a number only: their name is known where they are who acts.
	const isAuthor = typeof user.id === "number" && user.id === merge.author_id;
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
			...(isAuthor && user.username !== null && { author: user.username }),
			target: merge.target_branch,
			is_from_fork: !isOwn,
			draft: merge.draft || merge.work_in_progress,
			labels: labelNames(merge.labels.map(({ title }) => title)),
		},
		actor: user.username ?? SOMEBODY,
	};
}

type PullRequestEvent = NonNullable<Trigger["pull_request"]>["event"];

function eventOf({ object_attributes: { action, oldrev }, changes: changed }: z.infer<typeof withAction>): PullRequestEvent | null {
	if (action === "open" || action === "reopen") return "opened";
	if (action === "close" || action === "merge") return "closed";
	if (action !== "update") return null;
	const { target_branch, draft, work_in_progress } = changes.parse(changed);
	if (oldrev !== null || target_branch.current !== null) return "updated";
	return [draft, work_in_progress].some(({ previous, current }) => previous && !current) ? "ready_for_review" : null;
}

/** The header has proved the sender; the body needs no check. */
const SIGNED_BY_HEADER = { update: () => undefined, isAuthentic: () => true };

export const gitlab: Provider = {
	forge: "gitlab",
	matches: (headers) => headers.has("X-Gitlab-Event"),
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
