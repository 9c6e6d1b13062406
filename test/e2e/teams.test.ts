import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Invitation, Person } from "../../schema/wire/people.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedTeam } from "../../schema/wire/teams.ts";
import type { Caller, CreatedToken } from "../../schema/wire/tokens.ts";
import { CookieBrowser } from "../support/cookie_browser.ts";
import { IdentityProvider } from "../support/identity_provider.ts";
import { ADMIN_TOKEN, Program, TestCoordinator } from "../support/processes.ts";

/** Teams on one coordinator, with real agents, browsers and an identity provider. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;

beforeAll(async () => {
	coordinator = await TestCoordinator.start({ args: ["--allow-outbound", "127.0.0.1"], atEnd });
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const PASSWORD = "a password that is long enough";

async function windlass(...args: string[]): Promise<string> {
	const program = new Program(args, { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
	expect([await program.exited, program.output]).toEqual([0, expect.any(String)]);
	return program.output.trim();
}

/** Somebody who has just joined with this link. */
async function joined(url: string): Promise<CookieBrowser> {
	const browser = new CookieBrowser();
	const code = new URL(url).searchParams.get("code") ?? "";
	expect((await browser.submit(`${coordinator.url}/join`, { code, password: PASSWORD, again: PASSWORD })).status).toBe(200);
	return browser;
}

async function as<Body>(browser: CookieBrowser, path: string, init: RequestInit = {}): Promise<Body> {
	const answer = await coordinator.request(path, { ...init, token: null, headers: browser.headers(coordinator.url) });
	return (await answer.json()) as Body;
}

const post = (body: object): RequestInit => ({ method: "POST", body: JSON.stringify(body) });

describe("a team", () => {
	test("is made by command; its admin joins by the link, invites others, and runs jobs on agents of their own", async () => {
		const admin = await joined(await windlass("teams", "create", "web", "--name", "The web", "--admin", "ada"));
		expect(await windlass("teams", "create", "web", "--admin", "mallory")).toContain("is there");
		const empty = new Program(["ls", "--team", ""], { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
		expect([await empty.exited, empty.output]).toEqual([2, expect.stringContaining("--team is empty")]);
		expect(await as<Caller>(admin, "/api/v1/whoami")).toMatchObject({ team: "web", home: "web", name: "ada", role: "admin" });
		const { token } = await as<{ token: string }>(admin, "/api/v1/agent-tokens", post({}));
		await coordinator.agent("of-web", { environment: { WINDLASS_TOKEN: token } });
		// A job of the first team waits, though an agent of another one is idle.
		const other = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline: { name: "other", steps: ["true"] } });
		const { id } = await as<SubmittedRun>(admin, "/api/v1/runs", post({ pipeline: { name: "own", steps: ["echo hello from web"] } }));
		const run = await as<Run>(admin, `/api/v1/runs/${id}/wait?timeout=60`);
		expect(run.state).toBe("succeeded");
		const log = await coordinator.request(`/api/v1/jobs/${run.jobs[0]?.id}/log`, { token: null, headers: admin.headers(coordinator.url) });
		expect(await log.text()).toContain("hello from web");
		expect((await coordinator.get<Run>(`/api/v1/runs/${other.id}`)).state).toBe("queued");
		expect((await coordinator.request(`/api/v1/runs/${id}`)).status).toBe(404);
		expect(await windlass("ls", "--team", "web")).toContain("own");
		expect(await windlass("agents", "list", "--team", "web")).toContain("of-web");
	});

	test("has names of its own: people sign in to their team, by password and by provider", async () => {
		const red = await joined(await windlass("teams", "create", "red", "--admin", "sam"));
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "sam", role: "viewer" });
		await joined(url);
		const form = await (await new CookieBrowser().open(`${coordinator.url}/sign-in?team=red`)).text();
		expect(form).toMatch(/<input name="team"[^>]*value="red"/);
		const browser = new CookieBrowser();
		for (const [team, role] of [
			["red", "admin"],
			["default", "viewer"],
			["red", "admin"],
		] as const) {
			await browser.submit(`${coordinator.url}/sign-in`, { team, name: "sam", password: PASSWORD });
			expect(await as<Caller>(browser, "/api/v1/whoami")).toMatchObject({ team, name: "sam", role });
			const next = await (await browser.submit(`${coordinator.url}/sign-out`, {})).text();
			expect(next).toContain(`value="${team}"`);
		}
		const company = await IdentityProvider.start(
			[{ id: "windlass", secret: "secret", redirectUri: `${coordinator.url}/sign-in/with/red/company/callback` }],
			atEnd,
		);
		company.claims.set("eve", { preferred_username: "eve", groups: ["ci"] });
		const json = {
			kind: "oidc",
			url: company.issuer,
			client_id: "windlass",
			client_secret: "secret",
			sign_up: [{ group: "ci", role: "developer" }],
		};
		const set = (headers: Record<string, string>, body: object) =>
			coordinator.request("/api/v1/identity-providers/company", { method: "PUT", headers, body: JSON.stringify(body) });
		expect((await set({ "Windlass-Team": "red" }, json)).status).toBe(201);
		const tooMuch = { ...json, sign_up: [{ group: "ci", role: "operator" }] };
		expect((await set({ "Windlass-Team": "red" }, tooMuch)).status).toBe(403);
		company.person = "eve";
		const eve = new CookieBrowser();
		await eve.open(`${coordinator.url}/sign-in/with/company?team=red`);
		expect(await as<Caller>(eve, "/api/v1/whoami")).toMatchObject({ team: "red", name: "eve", role: "developer" });
		expect((await new CookieBrowser().open(`${coordinator.url}/sign-in/with/company`)).status).toBe(404);
		// Who joins a team does it with an account of its own providers.
		const invited = await coordinator.post<Invitation>("/api/v1/people", { name: "guest", role: "viewer" });
		const invitation = new URL(invited.url).searchParams.get("code") ?? "";
		const elsewhere = await new CookieBrowser().open(
			`${coordinator.url}/sign-in/with/company?${new URLSearchParams({ team: "red", invitation })}`,
		);
		expect(elsewhere.status).toBe(404);
		const wrong = await browser.submit(`${coordinator.url}/sign-in`, { team: "nobodys", name: "sam", password: "wrong" });
		expect([wrong.status, await wrong.text()]).toEqual([401, expect.stringMatching(/<input name="team"[^>]*value="nobodys"/)]);
		expect((await as<Page<Person>>(red, "/api/v1/people")).items.map(({ name }) => name)).toEqual(["eve", "sam"]);
		expect((await coordinator.get<Page<Person>>("/api/v1/people")).items.map(({ name }) => name)).not.toContain("eve");
	});

	test("is entered by an operator in the browser, until they return, sign out or are none any more", async () => {
		await windlass("teams", "create", "blue");
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "olga", role: "operator" });
		const olga = await joined(url);
		const enter = (team: string) => olga.submit(`${coordinator.url}/teams/${team}/enter`, {});
		expect(await (await enter("blue")).text()).toMatch(/You act in the team <b>blue<\/b>/);
		expect(await as<Caller>(olga, "/api/v1/whoami")).toMatchObject({
			team: "blue",
			home: "default",
			name: "default/olga",
			role: "operator",
		});
		await as(olga, "/api/v1/projects", post({ name: "of-blue" }));
		expect((await coordinator.request("/api/v1/projects/of-blue")).status).toBe(404);
		const { items } = (await (
			await coordinator.request("/api/v1/audit", { headers: { "Windlass-Team": "blue" } })
		).json()) as Page<AuditEntry>;
		expect(items.map(({ event, actor }) => [event, actor])).toContainEqual(["projects.create", "default/olga"]);
		// A tab that still shows the team of before changes nothing of this one.
		const shown = await (await olga.open(`${coordinator.url}/projects`)).text();
		const [, form = ""] = /action="(\/projects\?[^"]+)"/.exec(shown) ?? [];
		expect(form).toBe("/projects?acting=blue");
		const stale = await olga.submit(`${coordinator.url}/projects?acting=default`, { name: "by-mistake" });
		expect([stale.status, await stale.text()]).toEqual([409, expect.stringContaining("Nothing was changed")]);
		const live = await coordinator.request("/?live=x&acting=default", {
			...{ token: null, headers: { ...olga.headers(coordinator.url), Accept: "text/event-stream" } },
		});
		expect(live.status).toBe(409);
		expect(await (await enter("default")).text()).not.toContain("You act in the team");
		expect((await enter("nobody")).status).toBe(404);
		await enter("blue");
		const [person] = (await coordinator.get<Page<Person>>("/api/v1/people")).items.filter(({ name }) => name === "olga");
		const left = await as<CreatedToken>(olga, "/api/v1/tokens", post({ name: "left-behind", role: "admin", expires_in: "365d" }));
		expect((await coordinator.request("/api/v1/projects/of-blue", { token: left.token })).status).toBe(200);
		await coordinator.request(`/api/v1/people/${person?.id}`, { method: "PATCH", body: JSON.stringify({ role: "viewer" }) });
		await expect
			.poll(async () => (await coordinator.request("/api/v1/whoami", { token: left.token })).status, { timeout: 10_000 })
			.toBe(401);
		await expect
			.poll(() => as<Caller>(olga, "/api/v1/whoami"), { timeout: 10_000 })
			.toMatchObject({ team: "default", name: "olga", role: "viewer" });
		expect((await as<{ error: string }>(olga, "/api/v1/projects/of-blue")).error).toBe("not_found");
		await olga.submit(`${coordinator.url}/sign-out`, {});
		expect(await as(olga, "/api/v1/whoami")).toMatchObject({ error: "authentication_required" });
	});

	test("keeps its queue across a crash, is part of the readiness, and ends what it runs before a planned stop", async () => {
		const one = await TestCoordinator.start({ atEnd });
		await one.post<CreatedTeam>("/api/v1/teams", { slug: "green" });
		const inGreen = { headers: { "Windlass-Team": "green" } };
		const submitted = await one.request("/api/v1/runs", { ...inGreen, ...post({ pipeline: { name: "waits", steps: ["true"] } }) });
		const { id } = (await submitted.json()) as SubmittedRun;
		const again = await one.restartAfterKill();
		const made = await again.request("/api/v1/tokens", {
			...inGreen,
			...post({ name: "robot", kind: "service", role: "viewer", expires_in: "1d" }),
		});
		const { token } = (await made.json()) as CreatedToken;
		const registration = (await (await again.request("/api/v1/agent-tokens", { ...inGreen, ...post({}) })).json()) as { token: string };
		await again.agent("of-green", { environment: { WINDLASS_TOKEN: registration.token } });
		const run = (await (await again.request(`/api/v1/runs/${id}/wait?timeout=60`, { token })).json()) as Run;
		expect(run.state).toBe("succeeded");
		expect(await (await again.request("/readyz", { token: null })).json()).toMatchObject({ status: "ready" });
		again.program.signal("SIGTERM");
		expect(await again.program.exited).toBe(0);
	});
});
