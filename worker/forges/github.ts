import * as z from "zod";
import { commitId, type Trigger } from "../../schema/wire/triggers.ts";
import { checkHexSignature, type Deliverer, incomplete, pushed } from "./delivery.ts";

/** GitHub's webhooks, and those of Gitea and Forgejo, which say the same in other headers. */

const person = z.object({ login: z.string() });
const about = z.object({ repository: z.object({ full_name: z.string() }) });
const push = about.extend({
	ref: z.string(),
	before: commitId.nullish(),
	after: commitId,
	head_commit: z.object({ id: commitId, message: z.string() }).nullish(),
	sender: person,
});
const repository = z.object({ full_name: z.string(), owner: person });
const pullRequest = about.extend({
	action: z.string(),
	number: z.number().int().positive(),
	pull_request: z.object({
		title: z.string(),
		user: person.nullish(),
		head: z.object({ ref: z.string(), sha: commitId, repo: repository.nullish() }),
		base: z.object({ ref: z.string(), repo: repository }),
	}),
	sender: person,
});

const ACTIONS: Record<string, "opened" | "updated" | "closed"> = {
	opened: "opened",
	reopened: "opened",
	synchronize: "updated",
	// Gitea's word for it.
	synchronized: "updated",
	closed: "closed",
};

function repositoryOf(payload: unknown): string | null {
	return about.safeParse(payload).data?.repository.full_name ?? null;
}

function read(event: string, payload: unknown): Trigger | string {
	switch (event) {
		case "ping":
			return "pong";
		case "push":
			return readPush(payload);
		case "pull_request":
		case "pull_request_sync":
			return readPullRequest(payload);
		default:
			return `nothing is run for the event ${event}`;
	}
}

function readPush(payload: unknown): Trigger | string {
	const { data, error } = push.safeParse(payload);
	if (!data) throw incomplete(error.issues.map(({ path }) => path.join(".") || "payload").join(", "));
	const { ref, before = null, after, head_commit, sender } = data;
	// What an annotated tag is pushed as is the tag; its commit stands beside it.
	const commit = ref.startsWith("refs/tags/") ? head_commit?.id : undefined;
	return pushed({ ref, before: before ?? null, after, commit, message: head_commit?.message ?? null, actor: sender.login });
}

function readPullRequest(payload: unknown): Trigger | string {
	const { data, error } = pullRequest.safeParse(payload);
	if (!data) throw incomplete(error.issues.map(({ path }) => path.join(".") || "payload").join(", "));
	const { action, number, sender } = data;
	const event = ACTIONS[action];
	if (!event) return `nothing is run for a pull request that is ${action}`;
	const { title, user, head, base } = data.pull_request;
	// A repository that is gone was another one. One that comes by `git push refs/for/main` needs no right to write, though it lies in this repository.
	const isByPush = head.ref.startsWith("refs/");
	const isFromFork = isByPush || head.repo?.full_name !== base.repo.full_name;
	const owner = isByPush ? user?.login : head.repo?.owner.login;
	return {
		kind: "pull_request",
		ref: `refs/pull/${number}/head`,
		branch: isFromFork ? `${owner ?? "somebody"}:${head.ref}` : head.ref,
		tag: null,
		sha: head.sha,
		before: null,
		message: null,
		pull_request: { number, event, title: title.slice(0, 500), target: base.ref, is_from_fork: isFromFork },
		actor: sender.login,
	};
}

export const github: Deliverer = {
	forge: "github",
	isIts: (headers) => headers.has("X-GitHub-Event"),
	describe: (headers) => ({ delivery: headers.get("X-GitHub-Delivery") ?? "", event: headers.get("X-GitHub-Event") ?? "" }),
	signsBodyAlone: true,
	check: async (headers, secret) => checkHexSignature((headers.get("X-Hub-Signature-256") ?? "").replace(/^sha256=/, ""), secret),
	repositoryOf,
	read,
};

export const gitea: Deliverer = {
	forge: "gitea",
	isIts: (headers) => headers.has("X-Gitea-Event") || headers.has("X-Forgejo-Event"),
	describe: (headers) => ({
		delivery: headers.get("X-Forgejo-Delivery") ?? headers.get("X-Gitea-Delivery") ?? "",
		event: headers.get("X-Forgejo-Event") ?? headers.get("X-Gitea-Event") ?? "",
	}),
	signsBodyAlone: true,
	check: async (headers, secret) => checkHexSignature(headers.get("X-Forgejo-Signature") ?? headers.get("X-Gitea-Signature") ?? "", secret),
	repositoryOf,
	read,
};
