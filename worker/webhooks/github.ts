import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { checkHexSignature, type Deliverer, incomplete, labelNames, pushed, SOMEBODY } from "./delivery.ts";
import { details, knownCommit, listOf, words } from "./fields.ts";

/** GitHub's webhooks, and those of Gitea and Forgejo, which say the same in other headers. */

/** What Gitea and Forgejo mean otherwise than GitHub. */
interface Dialect {
	/** Whether a title marks drafts, so that another title can make a pull request ready. */
	marksDraftsInTitle: boolean;
}

const person = details({ login: words });
const about = z.object({ repository: z.object({ full_name: z.string().min(1) }) });
const push = about.extend({
	ref: z.string().min(1),
	before: knownCommit,
	after: commitId,
	head_commit: details({ id: knownCommit, message: words }),
	sender: person,
});
const acted = z.object({ action: words });
const pullRequest = about.extend({
	number: z.number().int().positive(),
	pull_request: z.object({
		title: words,
		draft: z.unknown().optional(),
		labels: listOf(z.object({ name: z.string() })),
		user: person,
		head: z.object({ ref: z.string().min(1), sha: knownCommit, repo: details({ full_name: words, owner: person }) }),
		base: z.object({ ref: z.string().min(1) }),
	}),
	/** What an edit has changed. GitHub names the former base branch as `base`, Gitea as `ref`. */
	changes: details({
		title: details({ from: words }),
		base: details({ ref: details({ from: words }) }),
		ref: details({ from: words }),
	}),
	sender: person,
});
const mergeGroup = about.extend({
	merge_group: z.object({
		head_sha: commitId,
		head_ref: z.string().min(1),
		base_ref: words,
		head_commit: details({ message: words }),
	}),
	sender: person,
});

type PullRequestEvent = NonNullable<Trigger["pull_request"]>["event"];
const ACTIONS: Record<string, PullRequestEvent> = {
	opened: "opened",
	reopened: "opened",
	synchronize: "updated",
	// Gitea's word for it.
	synchronized: "updated",
	ready_for_review: "ready_for_review",
	closed: "closed",
};

/** How Gitea and Forgejo mark drafts in a title, unless their settings say otherwise (WORK_IN_PROGRESS_PREFIXES). */
const DRAFT_TITLE = /^\s*(?:WIP:|\[WIP\])/i;
/** The branches that GitHub makes for a merge queue: the branch that a group goes into, its last pull request, and the commit before it. */
const QUEUE_BRANCH = /^refs\/heads\/gh-readonly-queue\/(.+)\/pr-\d+-[0-9a-f]{40,64}$/;

function repositoryOf(payload: unknown): string | null {
	return about.safeParse(payload).data?.repository.full_name ?? null;
}

function readGitHub(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "ping":
			return "pong";
		case "push":
			return ofQueue(readPush(payload));
		case "pull_request":
			return readPullRequest(payload, { marksDraftsInTitle: false });
		case "merge_group":
			return readMergeGroup(payload);
		default:
			return `nothing is run for the event ${event}`;
	}
}

function readGitea(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "push":
			return readPush(payload);
		case "pull_request":
		case "pull_request_sync":
			return readPullRequest(payload, { marksDraftsInTitle: true });
		default:
			return `nothing is run for the event ${event}`;
	}
}

/** GitHub pushes the branch of a merge group, too: both deliveries are one event. */
export function ofQueue(read: Trigger | string): Trigger | string {
	const target = typeof read === "string" ? undefined : QUEUE_BRANCH.exec(read.ref)?.[1];
	return typeof read === "string" || target === undefined ? read : { ...read, kind: "merge_group", before: null, merge_target: target };
}

function readPush(payload: unknown): Trigger | string {
	const { data, error } = push.safeParse(payload);
	if (!data) throw incomplete(error);
	const { ref, before, after, head_commit, sender } = data;
	// What an annotated tag is pushed as is the tag; its commit stands beside it.
	const commit = ref.startsWith("refs/tags/") ? (head_commit.id ?? undefined) : undefined;
	return pushed({ ref, before, after, commit, message: head_commit.message, actor: sender.login ?? SOMEBODY });
}

function readPullRequest(payload: unknown, { marksDraftsInTitle }: Dialect): Trigger | string {
	const action = acted.safeParse(payload).data?.action ?? null;
	if (action === null) return "nothing is run for a pull request without an action";
	if (action !== "edited" && !Object.hasOwn(ACTIONS, action)) return `nothing is run for a pull request that is ${action}`;
	const { data, error } = pullRequest.safeParse(payload);
	if (!data) throw incomplete(error);
	const { number, sender, repository, changes } = data;
	const { title, user, head, base, labels, draft } = data.pull_request;
	const isDraft = typeof draft === "boolean" ? draft : marksDraftsInTitle && isDraftTitle(title);
	const isReady = marksDraftsInTitle && isDraftTitle(changes.title.from) && !isDraft;
	const event = action === "edited" ? eventOfEdit(changes, isReady) : ACTIONS[action];
	if (!event) return "nothing is run for a pull request whose words were edited";
	// A repository that is gone was another one. One that comes by `git push refs/for/main` needs no right to write, though it lies in this repository.
	const isByPush = head.ref.startsWith("refs/");
	const isFromFork = isByPush || head.repo.full_name !== repository.full_name;
	const owner = isByPush ? user.login : head.repo.owner.login;
	return {
		kind: "pull_request",
		ref: `refs/pull/${number}/head`,
		branch: isFromFork ? `${owner ?? SOMEBODY}:${head.ref}` : head.ref,
		tag: null,
		sha: head.sha,
		before: null,
		message: null,
		pull_request: {
			number,
			event,
			title: (title ?? "").slice(0, 500),
			target: base.ref,
			is_from_fork: isFromFork,
			draft: isDraft,
			labels: labelNames(labels.map(({ name }) => name)),
		},
		actor: sender.login ?? SOMEBODY,
	};
}

/** What an edit means: another base branch, a draft that is ready; null where only words were edited. */
function eventOfEdit({ base, ref }: z.infer<typeof pullRequest>["changes"], isReady: boolean): PullRequestEvent | null {
	if (base.ref.from !== null || ref.from !== null) return "updated";
	return isReady ? "ready_for_review" : null;
}

function isDraftTitle(title: string | null): boolean {
	return title !== null && DRAFT_TITLE.test(title);
}

function readMergeGroup(payload: unknown): Trigger | string {
	const action = acted.safeParse(payload).data?.action ?? null;
	if (action !== "checks_requested") return `nothing is run for a merge group that is ${action ?? "without an action"}`;
	const { data, error } = mergeGroup.safeParse(payload);
	if (!data) throw incomplete(error);
	const { head_sha, head_ref, base_ref, head_commit } = data.merge_group;
	const ref = head_ref.startsWith("refs/") ? head_ref : `refs/heads/${head_ref}`;
	const target = base_ref?.replace(/^refs\/heads\//, "") ?? QUEUE_BRANCH.exec(ref)?.[1];
	const group = pushed({ ref, before: null, after: head_sha, message: head_commit.message, actor: data.sender.login ?? SOMEBODY });
	return typeof group === "string" ? group : { ...group, kind: "merge_group", ...(target === undefined ? {} : { merge_target: target }) };
}

export const github: Deliverer = {
	forge: "github",
	isIts: (headers) => headers.has("X-GitHub-Event"),
	describe: (headers) => ({ delivery: headers.get("X-GitHub-Delivery") ?? "", event: headers.get("X-GitHub-Event") ?? "" }),
	signsBodyAlone: true,
	signsPayloadOfForms: false,
	check: async (headers, secret) => checkHexSignature((headers.get("X-Hub-Signature-256") ?? "").replace(/^sha256=/, ""), secret),
	repositoryOf,
	read: readGitHub,
};

export const gitea: Deliverer = {
	forge: "gitea",
	isIts: (headers) => headers.has("X-Gitea-Event") || headers.has("X-Forgejo-Event"),
	describe: (headers) => ({
		delivery: headers.get("X-Forgejo-Delivery") ?? headers.get("X-Gitea-Delivery") ?? "",
		event: headers.get("X-Forgejo-Event") ?? headers.get("X-Gitea-Event") ?? "",
	}),
	signsBodyAlone: true,
	signsPayloadOfForms: true,
	check: async (headers, secret) => checkHexSignature(headers.get("X-Forgejo-Signature") ?? headers.get("X-Gitea-Signature") ?? "", secret),
	repositoryOf,
	read: readGitea,
};
