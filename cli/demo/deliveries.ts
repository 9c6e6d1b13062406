import { createHmac, randomUUID } from "node:crypto";
import type { HookAnswer } from "../../schema/wire/deliveries.ts";
import { PEOPLE, type Person } from "./people.ts";
import type { Commit } from "./repositories.ts";

/** Deliveries to the webhooks of projects, as Gitea makes and signs them. */

const NONE = "0".repeat(40);

export interface PullRequest {
	number: number;
	title: string;
	branch: string;
	/** The owner of the fork that it comes from; null for the repository itself. */
	fork: Person | null;
}

function accountOf(author: Person): { login: string; full_name: string } {
	return { login: author, full_name: PEOPLE[author].replace(/ <.*/, "") };
}

function repositoryCalled(name: string) {
	return { full_name: name, default_branch: "main", owner: { login: name.split("/")[0] } };
}

export function pushOf(repository: string, branch: string, before: string | null, commit: Commit): unknown {
	const described = { id: commit.sha, message: commit.subject, author: { name: accountOf(commit.author).full_name } };
	return {
		ref: `refs/heads/${branch}`,
		before: before ?? NONE,
		after: commit.sha,
		commits: [described],
		head_commit: described,
		repository: repositoryCalled(repository),
		pusher: accountOf(commit.author),
		sender: accountOf(commit.author),
	};
}

export function pullRequestOf(repository: string, { number, title, branch, fork }: PullRequest, commit: Commit): unknown {
	const own = repositoryCalled(repository);
	const head = fork === null ? own : { full_name: `${fork}/${repository.split("/")[1]}`, owner: { login: fork } };
	return {
		action: "opened",
		number,
		pull_request: {
			number,
			title,
			draft: false,
			labels: [],
			user: accountOf(commit.author),
			head: { ref: branch, sha: commit.sha, repo: head },
			base: { ref: "main", repo: own },
		},
		repository: own,
		sender: accountOf(commit.author),
	};
}

/** Delivers to the webhook at this address. @returns its answer; null for a rejected delivery */
export async function deliver(
	hookUrl: string,
	event: "push" | "pull_request",
	payload: unknown,
	secret: string,
): Promise<HookAnswer | null> {
	const body = JSON.stringify(payload, null, 2);
	const response = await fetch(hookUrl, {
		method: "POST",
		headers: {
			"Content-Type": "application/json",
			"X-Gitea-Delivery": randomUUID(),
			"X-Gitea-Event": event,
			"X-Gitea-Signature": createHmac("sha256", secret).update(body).digest("hex"),
		},
		body,
	});
	return response.ok ? ((await response.json()) as HookAnswer) : null;
}
