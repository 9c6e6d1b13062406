import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Invitation } from "../../schema/wire/people.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { RecordingServer } from "../support/forge.ts";
import { TestCoordinator, testPort } from "../support/processes.ts";

/** Notifications that ask people to approve a job, each with a link of their own. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;
let chat: RecordingServer;
let lena: Record<string, string>;
let olga: Record<string, string>;

interface Approval {
	job: string;
	message: string | null;
	links: { person: string; url: string; expires_at: string }[];
}

beforeAll(async () => {
	const port = testPort();
	const args = ["--allow-outbound", "127.0.0.1", "--public-url", `http://127.0.0.1:${port}`];
	coordinator = await TestCoordinator.start({ port, args, atEnd });
	chat = await RecordingServer.start(atEnd);
	await coordinator.request("/api/v1/secrets/chat", { method: "PUT", body: JSON.stringify({ value: "a secret of the chat" }) });
	await coordinator.request("/api/v1/secrets/slack", { method: "PUT", body: JSON.stringify({ value: `${chat.url}/slack/a-secret-path` }) });
	[lena, olga] = [await person("lena"), await person("olga")];
	await coordinator.agent("one", { slots: "2" });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

/** Somebody who has joined. @returns the headers of their session */
async function person(name: string): Promise<Record<string, string>> {
	const { url } = await coordinator.post<Invitation>("/api/v1/people", { name, role: "maintainer" });
	const password = "a password that is long enough";
	const body = new URLSearchParams({ code: new URL(url).searchParams.get("code") ?? "", password, again: password }).toString();
	const headers = { Origin: coordinator.url };
	const answer = await coordinator.request("/join", { method: "POST", token: null, redirect: "manual", headers, body });
	return { ...headers, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
}

/** Submits a run whose deployment waits. @returns the run, and what the chat was told */
async function waitingRun(approval: object = {}): Promise<{ id: string; asked: Approval }> {
	const pipeline = {
		name: "ship",
		notify: [{ on: ["approval"], webhook: `${chat.url}/ci`, secret: "chat" }],
		jobs: { deploy: { approval: { users: ["lena", "olga", "nobody"], message: "To production?", ...approval }, steps: ["true"] } },
	};
	const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline });
	const isAbout = ({ path, body }: { path: string; body: Record<string, unknown> }) =>
		path === "/ci" && (body.data as { id: string }).id === id;
	await chat.until((told) => told.some(isAbout), "the question");
	return { id, asked: chat.told.find(isAbout)?.body.approval as Approval };
}

const open = (url: string, headers: Record<string, string>) => coordinator.request(url, { token: null, redirect: "manual", headers });

function decide(url: string, headers: Record<string, string>, decision: string, comment = ""): Promise<Response> {
	const body = new URLSearchParams({ code: new URL(url).searchParams.get("code") ?? "", decision, comment }).toString();
	return coordinator.request("/approve", { method: "POST", token: null, redirect: "manual", headers, body });
}

const linkOf = ({ links }: Approval, name: string) => links.find((link) => link.person === name)?.url ?? "";

test("a notification has a link for each person that the approval names, and who is here", async () => {
	const { id, asked } = await waitingRun({ timeout: "1h" });
	expect(asked).toMatchObject({ job: "deploy", message: "To production?" });
	expect(asked.links.map(({ person: name }) => name)).toEqual(["lena", "olga"]);
	for (const { expires_at } of asked.links) expect(Date.parse(expires_at) - Date.now()).toBeLessThanOrEqual(3_600_000);
	const [told] = chat.told.filter(({ path }) => path === "/ci");
	expect(told?.body.type).toBe("run.approval");
	await coordinator.request(`/api/v1/runs/${id}/cancel`, { method: "POST", body: "{}" });
});

test("a link leads its person to the question, changes nothing by being opened, and works once", async () => {
	const { id, asked } = await waitingRun();
	const url = linkOf(asked, "lena");
	const page = await open(url, lena);
	expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("Approve deploy?")]);
	expect((await open(url, {})).status).toBe(401);
	expect((await coordinator.get<Run>(`/api/v1/runs/${id}`)).jobs[0]?.state).toBe("blocked");
	expect((await decide(url, lena, "approve", "looks good")).status).toBe(303);
	const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
	expect([run.state, run.jobs[0]?.approvals]).toEqual(["succeeded", [expect.objectContaining({ by: "lena", comment: "looks good" })]]);
	expect((await decide(url, lena, "approve")).status).toBe(409);
	expect(await (await open(url, lena)).text()).toContain("waits for nobody any more");
	const { items } = await coordinator.get<Page<AuditEntry>>("/api/v1/audit?event=runs.approve");
	expect(items[0]).toMatchObject({ actor: "lena", outcome: "done", details: expect.objectContaining({ job: "deploy", link: "yes" }) });
});

test("a link is of no use to anybody else, for another job, or once it was changed", async () => {
	const { id, asked } = await waitingRun();
	const url = linkOf(asked, "lena");
	const refused = await decide(url, olga, "approve");
	expect(refused.status).toBe(403);
	// Neither a token of a program, nor somebody without a session.
	const code = new URL(url).searchParams.get("code") ?? "";
	const byToken = await coordinator.request("/approve", {
		method: "POST",
		redirect: "manual",
		body: new URLSearchParams({ code, decision: "approve" }).toString(),
	});
	expect(byToken.status).toBe(403);
	expect((await decide(url, { Origin: coordinator.url }, "approve")).status).toBe(401);
	expect((await decide(url, { ...lena, Origin: "https://evil.example" }, "approve")).status).toBe(403);
	const [header, claims = "", signature] = code.split(".");
	const changed = { ...JSON.parse(Buffer.from(claims, "base64url").toString()), job: "job_01J00000000000000000000000" };
	const forged = `${header}.${Buffer.from(JSON.stringify(changed)).toString("base64url")}.${signature}`;
	expect((await decide(`${coordinator.url}/approve?code=${forged}`, lena, "approve")).status).toBe(410);
	expect((await coordinator.get<Run>(`/api/v1/runs/${id}`)).jobs[0]?.state).toBe("blocked");
	expect((await decide(url, lena, "decline", "not today")).status).toBe(303);
	expect((await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).jobs[0]?.reason?.text).toBe("Declined by lena: not today.");
});

test("two people decide by their links where the approval counts two, and each once", async () => {
	const { id, asked } = await waitingRun({ count: 2 });
	expect((await decide(linkOf(asked, "lena"), lena, "approve")).status).toBe(303);
	expect((await decide(linkOf(asked, "lena"), lena, "approve")).status).toBe(409);
	expect((await decide(linkOf(asked, "olga"), olga, "approve")).status).toBe(303);
	expect((await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`)).state).toBe("succeeded");
});

test("Slack gets the links, too; other events tell nothing of approvals", async () => {
	const pipeline = {
		name: "slack",
		notify: [
			{ on: ["approval"], slack: "slack" },
			{ on: ["success"], webhook: `${chat.url}/success`, secret: "chat" },
		],
		jobs: { deploy: { approval: { users: ["lena"] }, steps: ["true"] } },
	};
	const { id } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline });
	await chat.until((told) => told.some(({ path }) => path.startsWith("/slack/")), "the message to Slack");
	const text = String(chat.told.find(({ path }) => path.startsWith("/slack/"))?.body.text);
	expect(text).toMatch(/slack #\d+> waits for an approval\ndeploy · <http:\/\/127\.0\.0\.1:\d+\/approve\?code=[^|]+\|for lena>$/);
	expect((await decide(/<([^|>]+\/approve[^|]+)\|/.exec(text)?.[1] ?? "", lena, "approve")).status).toBe(303);
	await chat.until((told) => told.some(({ path }) => path === "/success"), "the success");
	expect(chat.told.find(({ path }) => path === "/success")?.body).not.toHaveProperty("approval");
	expect((await coordinator.get<Run>(`/api/v1/runs/${id}`)).state).toBe("succeeded");
});
