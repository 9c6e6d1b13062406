import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorBody } from "../../schema/wire/errors.ts";
import type { Invitation } from "../../schema/wire/people.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { githubDelivery, githubPullRequest } from "../support/forge.ts";
import { GitHttp } from "../support/git_http.ts";
import { type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

/** Whose forks need no approval, and who approves the others. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
const SECRET = "the-secret-of-the-hook";
let coordinator: TestCoordinator;
let git: GitHttp;
let hook: string;
let pulls = 0;
beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	git = await GitHttp.start(path.join(temporaryFolder(atEnd), "git"), null, atEnd);
	await coordinator.agent("one", { slots: "2" });
	const repository = git.add("team/web.git", { ".windlass.yml": JSON.stringify({ steps: ["echo of the fork"] }) });
	await coordinator.request("/api/v1/secrets/hook", { method: "PUT", body: JSON.stringify({ value: SECRET }) });
	const settings = { repository, hook_secret: "hook", forge: "github" };
	const { id } = await coordinator.post<{ id: string }>("/api/v1/projects", { name: "web", ...settings });
	hook = `/hooks/${id}`;
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

async function change(settings: object): Promise<void> {
	const answer = await coordinator.request("/api/v1/projects/web", { method: "PATCH", body: JSON.stringify(settings) });
	expect(answer.status).toBe(200);
}

/** A pull request from a fork. @returns the id of its run */
async function fork(author: string, sender: string, more: object = {}): Promise<string> {
	return foundBy(await deliver(author, sender, more));
}

/** The run that a discovery run has found. */
async function foundBy(discovery: string): Promise<string> {
	const plan = await coordinator.get<Run>(`/api/v1/runs/${discovery}/wait?timeout=60`);
	return plan.jobs[0]?.outputs?.[".windlass.yml"] ?? "";
}

/** @returns the id of the discovery run */
async function deliver(author: string, sender: string, more: object): Promise<string> {
	pulls += 1;
	const number = pulls;
	const sha = git.commit("team/web.git", { n: String(number) });
	git.ref("team/web.git", `refs/pull/${number}/head`, sha);
	const payload = githubPullRequest({ number, sha, fork: true, sender, ...more });
	payload.pull_request.user.login = author;
	const { headers, body } = githubDelivery("pull_request", payload, SECRET);
	const answer = await coordinator.request(hook, { method: "POST", token: null, headers, body });
	return ((await answer.json()) as { run_id: string }).run_id;
}

const read = (id: string) => coordinator.get<Run>(`/api/v1/runs/${id}`);

/** The headers of a person who has joined. */
async function person(name: string, role: string): Promise<Record<string, string>> {
	const { url } = await coordinator.post<Invitation>("/api/v1/people", { name, role });
	const password = "a password that is long enough";
	const body = new URLSearchParams({ code: new URL(url).searchParams.get("code") ?? "", password, again: password }).toString();
	const headers = { Origin: coordinator.url };
	const answer = await coordinator.request("/join", { method: "POST", token: null, redirect: "manual", headers, body });
	return { Origin: coordinator.url, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
}

const post = (address: string, headers: Record<string, string>) =>
	coordinator.request(address, { method: "POST", token: null, headers, body: "{}" });

describe("trusted_authors", () => {
	test("run without an approval, still as a fork, and the run says why", async () => {
		await change({ trusted_authors: ["Ada", "renovate[bot]"] });
		for (const [author, sender] of [
			["ada", "ada"],
			["renovate[bot]", "renovate[bot]"],
			["ada", "renovate[bot]"],
		] as const) {
			const id = await fork(author, sender);
			const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
			expect([author, sender, run.state, run.trusted, run.approved_by]).toEqual([
				author,
				sender,
				"succeeded",
				false,
				"the setting trusted_authors",
			]);
		}
	});

	test("are only those who have both opened it and act now", async () => {
		for (const [author, sender, more] of [
			["outsider", "ada", {}],
			["ada", "outsider", { action: "synchronize" }],
			["outsider", "ada", { action: "ready_for_review" }],
			["ada2", "ada2", {}],
			["renovate", "renovate", {}],
			["", "", {}],
		] as const) {
			const { state, approved_by, jobs } = await read(await fork(author, sender, more));
			expect([author, sender, approved_by, jobs[0]?.reason?.code]).toEqual([author, sender, null, "run_approval"]);
			expect(state).not.toBe("succeeded");
		}
	});

	test("ends with the setting", async () => {
		await change({ trusted_authors: null });
		expect((await read(await fork("ada", "ada"))).approved_by).toBeNull();
	});
});

describe("fork_approvers", () => {
	test("are the only ones who approve and decline, also by a rerun; an admin is not among them by itself", async () => {
		await change({ fork_approvers: ["lena"] });
		const [lena, olga, admin] = [await person("lena", "maintainer"), await person("olga", "maintainer"), await person("root", "admin")];
		const id = await fork("outsider", "outsider");
		for (const headers of [olga, admin]) {
			for (const what of ["approve", "decline"]) {
				const refused = await post(`/api/v1/runs/${id}/${what}`, headers);
				expect([refused.status, ((await refused.json()) as ErrorBody).message]).toEqual([403, expect.stringContaining("are for lena")]);
			}
		}
		// A token of a program is nobody.
		const byToken = await coordinator.request(`/api/v1/runs/${id}/approve`, { method: "POST", body: "{}" });
		expect(byToken.status).toBe(403);
		expect((await post(`/api/v1/runs/${id}/approve`, lena)).status).toBe(200);
		const done = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect([done.state, done.approved_by]).toEqual(["succeeded", "lena"]);
		const again = (await (await post(`/api/v1/runs/${id}/rerun`, olga)).json()) as Run;
		expect((await read(again.id)).approved_by).toBeNull();
		const byLena = (await (await post(`/api/v1/runs/${id}/rerun`, lena)).json()) as Run;
		expect((await read(byLena.id)).approved_by).toBe("lena");
		await change({ fork_approvers: null });
		expect((await post(`/api/v1/runs/${again.id}/approve`, olga)).status).toBe(200);
	});

	test("have to read what a repeated discovery finds: it approves nothing", async () => {
		const discovery = await deliver("outsider", "outsider", {});
		expect((await read(await foundBy(discovery))).approved_by).toBeNull();
		const again = (await (await coordinator.request(`/api/v1/runs/${discovery}/rerun`, { method: "POST", body: "{}" })).json()) as Run;
		const { approved_by, jobs } = await read(await foundBy(again.id));
		expect([approved_by, jobs[0]?.reason?.code]).toEqual([null, "run_approval"]);
	});

	test("are people, and the error names what is wrong", async () => {
		for (const wrong of [[], ["Not A Name"], "lena"]) {
			const answer = await coordinator.request("/api/v1/projects/web", {
				method: "PATCH",
				body: JSON.stringify({ fork_approvers: wrong }),
			});
			expect([wrong, answer.status, await answer.text()]).toEqual([wrong, 422, expect.stringContaining("fork_approvers")]);
		}
	});
});
