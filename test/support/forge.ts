import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { AtEnd } from "./processes.ts";

/** What a forge was told. */
export interface Told {
	method: string;
	path: string;
	headers: Record<string, string | string[] | undefined>;
	body: Record<string, unknown>;
	at: number;
}

/** A server that keeps what it is told: the API of a forge, a chat, whoever is notified. How it answers can be set. */
export class RecordingServer {
	readonly url: string;
	readonly told: Told[] = [];
	/** What comes, but is not taken: answered by `respond` with something else than 2xx. */
	readonly turnedAway: Told[] = [];
	/** Answers in place of 201; true if it did. */
	respond: (told: Told, response: ServerResponse) => boolean = () => false;
	readonly #waiting = new Set<() => void>();

	private constructor(url: string) {
		this.url = url;
	}

	static async start(atEnd: AtEnd): Promise<RecordingServer> {
		const server = createServer((request, response) => void made?.take(request, response));
		let made: RecordingServer | null = null;
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		atEnd(() => {
			server.closeAllConnections();
			server.close();
		});
		made = new RecordingServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
		return made;
	}

	async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
		let text = "";
		for await (const chunk of request) text += chunk;
		const told: Told = {
			method: request.method ?? "",
			path: request.url ?? "",
			headers: request.headers,
			body: JSON.parse(text || "{}"),
			at: Date.now(),
		};
		if (this.respond(told, response)) this.turnedAway.push(told);
		else {
			this.told.push(told);
			response.writeHead(201, { "Content-Type": "application/json" }).end("{}");
		}
		for (const wake of this.#waiting) wake();
	}

	/** Resolves once what was told satisfies `isThere`. */
	async until(isThere: (told: readonly Told[], turnedAway: readonly Told[]) => boolean, what: string, ms = 30_000): Promise<void> {
		const end = Date.now() + ms;
		while (!isThere(this.told, this.turnedAway)) {
			const left = end - Date.now();
			if (left <= 0) throw new Error(`${what} did not come; told was ${JSON.stringify(this.told.map(({ path, body }) => [path, body]))}`);
			await new Promise<void>((resolve) => {
				const wake = () => {
					clearTimeout(timer);
					this.#waiting.delete(wake);
					resolve();
				};
				const timer = setTimeout(wake, left);
				this.#waiting.add(wake);
			});
		}
	}

	/** The states that were told of a commit, by the names of its statuses. */
	statuses(sha: string): Record<string, string[]> {
		const result: Record<string, string[]> = {};
		for (const { path, body } of this.told) {
			if (!path.endsWith(`/statuses/${sha}`)) continue;
			const name = String(body.context ?? body.name);
			result[name] = [...(result[name] ?? []), String(body.state)];
		}
		return result;
	}
}

/** A delivery as a forge makes it: headers and the very bytes that are signed. */
export interface MadeDelivery {
	headers: Record<string, string>;
	body: string;
}

const hmac = (secret: string, body: string) => createHmac("sha256", secret).update(body).digest("hex");
let count = 0;
const newId = () => {
	count += 1;
	return `00000000-0000-4000-8000-${String(Date.now()).slice(-6)}${String(count).padStart(6, "0")}`;
};

export const githubDelivery = (event: string, payload: unknown, secret: string, id = newId()): MadeDelivery => {
	const body = JSON.stringify(payload);
	return {
		headers: {
			"Content-Type": "application/json",
			"User-Agent": "GitHub-Hookshot/044aadd",
			"X-GitHub-Delivery": id,
			"X-GitHub-Event": event,
			"X-GitHub-Hook-ID": "292430182",
			"X-Hub-Signature-256": `sha256=${hmac(secret, body)}`,
		},
		body,
	};
};

/** Gitea says what GitHub says, too. */
export const giteaDelivery = (event: string, payload: unknown, secret: string, { name = "Gitea", id = newId() } = {}): MadeDelivery => {
	const body = JSON.stringify(payload, null, 2);
	const signature = hmac(secret, body);
	return {
		headers: {
			"Content-Type": "application/json",
			[`X-${name}-Delivery`]: id,
			[`X-${name}-Event`]: event,
			[`X-${name}-Signature`]: signature,
			"X-GitHub-Delivery": id,
			"X-GitHub-Event": event,
			"X-Hub-Signature": "sha1=0000000000000000000000000000000000000000",
			"X-Hub-Signature-256": `sha256=${signature}`,
		},
		body,
	};
};

/** As a form: GitHub signs the form itself, Gitea and Forgejo the JSON in it. */
export const formDelivery = (made: MadeDelivery, secret: string, signed: "form" | "payload"): MadeDelivery => {
	const body = new URLSearchParams({ payload: made.body }).toString();
	const signature = hmac(secret, signed === "form" ? body : made.body);
	const headers = Object.fromEntries(
		Object.entries(made.headers).map(([name, value]) => [
			name,
			/-Signature(-256)?$/.test(name) ? (value.startsWith("sha256=") ? `sha256=${signature}` : signature) : value,
		]),
	);
	return { headers: { ...headers, "Content-Type": "application/x-www-form-urlencoded" }, body };
};

export const gitlabDelivery = (event: string, payload: unknown, secret: string, id = newId()): MadeDelivery => ({
	headers: { "Content-Type": "application/json", "X-Gitlab-Event": event, "X-Gitlab-Token": secret, "X-Gitlab-Event-UUID": id },
	body: JSON.stringify(payload),
});

export const genericDelivery = (payload: unknown, secret: string, { id = newId(), at = Date.now() } = {}): MadeDelivery => {
	const body = JSON.stringify(payload);
	const timestamp = String(Math.floor(at / 1000));
	const signature = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64");
	return {
		headers: {
			"Content-Type": "application/json",
			"webhook-id": id,
			"webhook-timestamp": timestamp,
			"webhook-signature": `v1,${signature}`,
		},
		body,
	};
};

const NONE = "0".repeat(40);

/** A push as GitHub documents it, shortened to what is there in every one. */
export function githubPush({
	ref = "refs/heads/main",
	before = NONE,
	after = NONE,
	message = "Change",
	sender = "octocat",
	author = "Ada",
	/** The commit, where `after` is an annotated tag. */
	commitId = "",
}) {
	const isDeleted = after === NONE;
	const person = { login: sender, id: 1, type: "User" };
	const commit = {
		id: commitId || after,
		message,
		timestamp: "2026-11-27T10:00:00+01:00",
		author: { name: author, email: "a@x.test", username: author },
		committer: { name: author, email: "a@x.test" },
		added: [],
		removed: [],
		modified: [],
	};
	return {
		ref,
		before,
		after,
		created: before === NONE,
		deleted: isDeleted,
		forced: false,
		compare: "https://github.test/team/web/compare/a...b",
		commits: isDeleted ? [] : [commit],
		head_commit: isDeleted ? null : commit,
		repository: {
			id: 1,
			full_name: "team/web",
			clone_url: "https://github.test/team/web.git",
			default_branch: "main",
			owner: { login: "team" },
		},
		pusher: { name: author, email: "a@x.test" },
		sender: person,
	};
}

export function githubPullRequest({
	action = "opened",
	number = 7,
	sha = NONE,
	head = "feature",
	/** `push`: it was made by a push to refs/for/main of this very repository, as Gitea lets everybody do who may read it. */
	fork = false as boolean | "gone" | "push",
	base = "main",
	sender = "octocat",
	changes = {} as object,
}) {
	const own = { id: 1, full_name: "team/web", owner: { login: "team" } };
	const other = { id: 2, full_name: "stranger/web", owner: { login: "stranger" } };
	const isByPush = fork === "push";
	return {
		action,
		number,
		changes,
		pull_request: {
			number,
			title: "A change",
			merged: false,
			head: isByPush
				? { label: "", ref: `refs/pull/${number}/head`, sha, repo: own }
				: { label: `x:${head}`, ref: head, sha, repo: fork === "gone" ? null : fork ? other : own },
			base: { label: `team:${base}`, ref: base, sha: NONE, repo: own },
			user: { login: "somebody" },
		},
		repository: own,
		sender: { login: sender },
	};
}
