import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Project } from "../../schema/wire/projects.ts";
import type { Explanation, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { GitHttp } from "../support/git_http.ts";
import { GitHubApi } from "../support/github.ts";
import { eventually, TestCoordinator, temporaryFolder } from "../support/processes.ts";

const atEnd = (clean: () => void | Promise<void>) => onTestFinished(clean);
const APP = "Iv23liWindlass";

interface Forged {
	coordinator: TestCoordinator;
	github: GitHubApi;
	setKey(value: string): Promise<void>;
	submit(pipeline: object): Promise<SubmittedRun>;
	wait(id: string): Promise<Run>;
	logOf(run: Run): Promise<string>;
}

/** A project whose forge is GitHub, with an App that is installed for its repository. */
async function start(): Promise<Forged> {
	const coordinator = await TestCoordinator.start({ args: ["--allow-outbound", "127.0.0.1"] });
	const github = await GitHubApi.start(APP, atEnd);
	const git = await GitHttp.start(path.join(temporaryFolder(), "git"), null, atEnd);
	const repository = git.add("team/web.git", { a: "1" });
	github.installations.set("team/web", 4711);
	const setKey = async (value: string) => {
		await coordinator.request("/api/v1/secrets/app_key", { method: "PUT", body: JSON.stringify({ value }) });
	};
	await setKey(github.privateKeys.pkcs1);
	const settings = { forge: "github", forge_api: github.server.url, forge_token: "app_key", forge_app: APP };
	await coordinator.post("/api/v1/projects", { name: "web", repository, ...settings });
	await coordinator.agent("builder");
	return {
		coordinator,
		github,
		setKey,
		submit: (pipeline) => coordinator.post<SubmittedRun>("/api/v1/runs", { project: "web", pipeline }),
		wait: (id) => coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`),
		logOf: async ({ jobs }) => (await coordinator.request(`/api/v1/jobs/${jobs[0]?.id}/log`)).text(),
	};
}

describe("a project with a GitHub App", () => {
	test("gives each attempt a token of its own, for its repository and its life alone, and sends statuses with another", async () => {
		const { github, submit, wait, logOf, setKey } = await start();
		const ask = `curl -s -H "Authorization: Bearer $GH_TOKEN" ${github.server.url}/installation/repositories`;
		const pipeline = {
			secrets: { GH_TOKEN: "forge" },
			retry: { attempts: 2 },
			steps: [`${ask} > answer; cat answer; echo; echo "token: $GH_TOKEN"; test -e /proc/none`],
		};
		const ended = await wait((await submit(pipeline)).id);
		const log = await logOf(ended);
		expect([ended.state, log]).toEqual(["failed", expect.stringMatching(/"repositories":\["web"\][\s\S]*token: \*\*\*/)]);
		// Two attempts; both tokens are revoked, and the one of the statuses stays.
		await eventually(async () => github.revoked.length === 2, "both tokens are revoked");
		expect(new Set(github.revoked).size).toBe(2);
		for (const token of github.revoked) expect(log).not.toContain(token);
		await github.server.until((told) => told.at(-1)?.body.state === "failure", "the failed status");
		const used = new Set(github.server.told.map(({ headers }) => headers.authorization));
		expect([used.size, [...github.tokens.keys()].map((token) => `Bearer ${token}`)]).toEqual([1, [...used]]);
		// The other form of the key does as well.
		await setKey(github.privateKeys.pkcs8);
		expect((await wait((await submit({ ...pipeline, retry: { attempts: 1 }, steps: [`${ask} | grep web`] })).id)).state).toBe("succeeded");
		// A token of the coordinator that the forge has revoked is replaced.
		for (const [token] of github.tokens) github.tokens.delete(token);
		const told = github.server.told.length;
		await wait((await submit({ name: "later", steps: ["true"] })).id);
		await github.server.until(
			(all) => all.slice(told).some(({ body }) => body.context === "windlass/later" && body.state === "success"),
			"a status",
		);
	}, 120_000);

	test("says in the reason of the job why there is no token, and waits while the forge is down", async () => {
		const { coordinator, github, submit, wait, setKey } = await start();
		const pipeline = { secrets: { GH_TOKEN: "forge" }, steps: ["true"] };
		github.installations.clear();
		const reasonOf = async (id: string) => (await wait(id)).jobs[0]?.reason;
		expect(await reasonOf((await submit(pipeline)).id)).toEqual({
			code: "secret_unavailable",
			text: expect.stringMatching(/^The forge gives no token for the job: 127\.0\.0\.1:\d+ answers 404: .*Not Found/),
		});
		// More than the padding of base64, without which the key is whole.
		const cut = github.privateKeys.pkcs1.replace(/.{8}\n(-----END)/, "\n$1");
		for (const wrong of ["-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----", cut]) {
			await setKey(wrong);
			expect((await reasonOf((await submit(pipeline)).id))?.text).toContain("holds no private key of RSA in PEM");
		}
		await setKey(github.privateKeys.pkcs1);
		github.refusal = 502;
		const { id, jobs } = await submit(pipeline);
		const explained = async () => (await coordinator.get<Explanation>(`/api/v1/jobs/${jobs[0]?.id}/explain`)).summary;
		await eventually(async () => /answers 502/.test(await explained()), "the job says what it waits for");
		await coordinator.post(`/api/v1/runs/${id}/cancel`, {});
		expect((await wait(id)).state).toBe("cancelled");
	}, 120_000);

	test("gives its token to nobody who has not the key, such as a project of another team", async () => {
		const { coordinator, github, submit, wait } = await start();
		await wait((await submit({ name: "own", steps: ["true"] })).id);
		await github.server.until(
			(all) => all.some(({ body }) => body.context === "windlass/own" && body.state === "success"),
			"the own status",
		);
		await coordinator.post("/api/v1/teams", { slug: "evil" });
		const inEvil = { headers: { "Windlass-Team": "evil" } };
		const ask = (method: string, address: string, body: object) =>
			coordinator.request(address, { ...inEvil, method, body: JSON.stringify(body) });
		const { repository } = await coordinator.get<Project>("/api/v1/projects/web");
		await ask("PUT", "/api/v1/secrets/app_key", { value: "not the key" });
		const settings = { forge: "github", forge_api: github.server.url, forge_token: "app_key", forge_app: APP };
		expect((await ask("POST", "/api/v1/projects", { name: "theirs", repository, ...settings })).status).toBe(201);
		const submitted = (await (
			await ask("POST", "/api/v1/runs", { project: "theirs", pipeline: { name: "forged", steps: ["true"] } })
		).json()) as SubmittedRun;
		const registration = (await (await ask("POST", "/api/v1/agent-tokens", {})).json()) as { token: string };
		await coordinator.agent("of-evil", { environment: { WINDLASS_TOKEN: registration.token } });
		const ended = await (await coordinator.request(`/api/v1/runs/${submitted.id}/wait?timeout=60`, inEvil)).json();
		expect((ended as Run).state).toBe("succeeded");
		const undelivered = async () => (await coordinator.request("/api/v1/projects/theirs/undelivered", inEvil)).text();
		await eventually(async () => (await undelivered()).includes("holds no private key"), "the status is refused");
		expect(github.server.told.filter(({ body }) => body.context === "windlass/forged")).toEqual([]);
	}, 120_000);

	test("gives no job the private key of the App", async () => {
		const { submit, wait } = await start();
		const ended = await wait((await submit({ secrets: { KEY: "app_key" }, steps: ["true"] })).id);
		expect(ended.jobs[0]).toMatchObject({ state: "errored", reason: { text: expect.stringContaining("app_key") } });
	});

	test("is refused without its forge or its key", async () => {
		const { coordinator } = await start();
		const change = (settings: Partial<Project>) =>
			coordinator.request("/api/v1/projects/web", { method: "PATCH", body: JSON.stringify(settings) });
		for (const settings of [{ forge: "gitea" }, { forge_token: null }, { forge_app: "an app" }] as const) {
			const answer = await change(settings);
			expect([settings, answer.status, await answer.text()]).toEqual([settings, 422, expect.stringContaining("forge_app")]);
		}
		expect((await change({ forge_app: null, forge_token: null })).status).toBe(200);
	});
});
