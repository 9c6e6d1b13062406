import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { checkHexSignature, incomplete, labelNames, type Provider, pushTrigger, SOMEBODY } from "./delivery.ts";
import { knownCommit, optionalList, optionalObject, optionalText } from "./fields.ts";

/**
 * Webhooks of GitHub, and of Gitea and Forgejo, which send the same payloads under other headers.
 */

/** The differences of Gitea and Forgejo from GitHub. */
interface Dialect {
	/** Whether the title marks a draft, so that an edit of the title can make a pull request ready. */
	marksDraftsInTitle: boolean;
}

const person = optionalObject({ login: optionalText });
const about = z.object({ repository: z.object({ full_name: z.string().min(1) }) });
const push = about.extend({
	ref: z.string().min(1),
	before: knownCommit,
	after: commitId,
	head_commit: optionalObject({ id: knownCommit, message: optionalText }),
	sender: person,
});
const withAction = z.object({ action: optionalText });
const pullRequest = about.extend({
	number: z.number().int().positive(),
	pull_request: z.object({
		title: optionalText,
		draft: z.unknown().optional(),
		labels: optionalList(z.object({ name: z.string() })),
		user: person,
		head: z.object({ ref: z.string().min(1), sha: knownCommit, repo: optionalObject({ full_name: optionalText, owner: person }) }),
		base: z.object({ ref: z.string().min(1) }),
	}),
	/** The former values of an edit. GitHub names the former base branch `base`, Gitea `ref`. */
	changes: optionalObject({
		title: optionalObject({ from: optionalText }),
		base: optionalObject({ ref: optionalObject({ from: optionalText }) }),
		ref: optionalObject({ from: optionalText }),
	}),
	sender: person,
});
const mergeGroup = about.extend({
	merge_group: z.object({
		head_sha: commitId,
		head_ref: z.string().min(1),
		base_ref: optionalText,
		head_commit: optionalObject({ message: optionalText }),
	}),
	sender: person,
});

type PullRequestEvent = NonNullable<Trigger["pull_request"]>["event"];
const ACTIONS: Record<string, PullRequestEvent> = {
	opened: "opened",
	reopened: "opened",
	synchronize: "updated",
	// Gitea.
	synchronized: "updated",
	ready_for_review: "ready_for_review",
	closed: "closed",
};

/** The default prefixes of draft titles in Gitea and Forgejo (WORK_IN_PROGRESS_PREFIXES). */
const DRAFT_TITLE = /^\s*(?:WIP:|\[WIP\])/i;
/**
 * The branch of a merge group on GitHub: the target branch, the last pull request and the commit
 * before it.
 */
const QUEUE_BRANCH = /^refs\/heads\/gh-readonly-queue\/(.+)\/pr-\d+-[0-9a-f]{40,64}$/;

function repositoryOf(payload: unknown): string | null {
	return about.safeParse(payload).data?.repository.full_name ?? null;
}

function readGitHub(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "ping":
			return "pong";
		case "push":
			return asMergeGroup(readPush(payload));
		case "pull_request":
			return readPullRequest(payload, { marksDraftsInTitle: false });
		case "merge_group":
			return readMergeGroup(payload);
		default:
			return `no run for the event ${event}`;
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
			return `no run for the event ${event}`;
	}
}

/**
 * Turns the push of a merge group's branch into its trigger: GitHub sends both deliveries for one
 * event.
 */
export function asMergeGroup(read: Trigger | string): Trigger | string {
	const target = typeof read === "string" ? undefined : QUEUE_BRANCH.exec(read.ref)?.[1];
	return typeof read === "string" || target === undefined ? read : { ...read, kind: "merge_group", before: null, merge_target: target };
}

function readPush(payload: unknown): Trigger | string {
	const { data, error } = push.safeParse(payload);
	if (!data) throw incomplete(error);
	const { ref, before, after, head_commit, sender } = data;
	// `after` of an annotated tag is the tag object; the commit is in `head_commit`.
	const commit = ref.startsWith("refs/tags/") ? (head_commit.id ?? undefined) : undefined;
	return pushTrigger({ ref, before, after, commit, message: head_commit.message, actor: sender.login ?? SOMEBODY });
}

function readPullRequest(payload: unknown, { marksDraftsInTitle }: Dialect): Trigger | string {
	const action = withAction.safeParse(payload).data?.action ?? null;
	if (action === null) return "no run for a pull request event without an action";
	if (action !== "edited" && !Object.hasOwn(ACTIONS, action)) return `no run for the pull request action ${action}`;
	const { data, error } = pullRequest.safeParse(payload);
	if (!data) throw incomplete(error);
	const { number, sender, repository, changes } = data;
	const { title, user, head, base, labels, draft } = data.pull_request;
	const isDraft = typeof draft === "boolean" ? draft : marksDraftsInTitle && isDraftTitle(title);
	const isReady = marksDraftsInTitle && isDraftTitle(changes.title.from) && !isDraft;
	const event = action === "edited" ? eventOfEdit(changes, isReady) : ACTIONS[action];
	if (!event) return "no run for an edit of the title or text of a pull request";
	// A deleted head repository was a fork. A pull request from `git push refs/for/main` needs no
	// write access, so it counts as a fork.
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
			...(user.login !== null && { author: user.login }),
			target: base.ref,
			is_from_fork: isFromFork,
			draft: isDraft,
			labels: labelNames(labels.map(({ name }) => name)),
		},
		actor: sender.login ?? SOMEBODY,
	};
}

/**
 * The event of an edit: a new base branch or a ready draft; null where only the title or text
 * changed.
 */
function eventOfEdit({ base, ref }: z.infer<typeof pullRequest>["changes"], isReady: boolean): PullRequestEvent | null {
	if (base.ref.from !== null || ref.from !== null) return "updated";
	return isReady ? "ready_for_review" : null;
}

function isDraftTitle(title: string | null): boolean {
	return title !== null && DRAFT_TITLE.test(title);
}

function readMergeGroup(payload: unknown): Trigger | string {
	const action = withAction.safeParse(payload).data?.action ?? null;
	if (action !== "checks_requested")
		return action === null ? "no run for a merge group event without an action" : `no run for the merge group action ${action}`;
	const { data, error } = mergeGroup.safeParse(payload);
	if (!data) throw incomplete(error);
	const { head_sha, head_ref, base_ref, head_commit } = data.merge_group;
	const ref = head_ref.startsWith("refs/") ? head_ref : `refs/heads/${head_ref}`;
	const target = base_ref?.replace(/^refs\/heads\//, "") ?? QUEUE_BRANCH.exec(ref)?.[1];
	const group = pushTrigger({ ref, before: null, after: head_sha, message: head_commit.message, actor: data.sender.login ?? SOMEBODY });
	return typeof group === "string" ? group : { ...group, kind: "merge_group", ...(target === undefined ? {} : { merge_target: target }) };
}

export const github: Provider = {
	forge: "github",
	matches: (headers) => headers.has("X-GitHub-Event"),
	describe: (headers) => ({ delivery: headers.get("X-GitHub-Delivery") ?? "", event: headers.get("X-GitHub-Event") ?? "" }),
	signsBodyAlone: true,
	signsPayloadOfForms: false,
	check: async (headers, secret) => checkHexSignature((headers.get("X-Hub-Signature-256") ?? "").replace(/^sha256=/, ""), secret),
	repositoryOf,
	read: readGitHub,
};

export const gitea: Provider = {
	forge: "gitea",
	matches: (headers) => headers.has("X-Gitea-Event") || headers.has("X-Forgejo-Event"),
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
