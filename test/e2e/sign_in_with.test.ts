import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { ErrorBody } from "../../schema/wire/errors.ts";
import type { Invitation, Person } from "../../schema/wire/people.ts";
import type { Page } from "../../schema/wire/resources.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import type { Caller, CreatedToken } from "../../schema/wire/tokens.ts";
import { CookieBrowser } from "../support/cookie_browser.ts";
import { IdentityProvider } from "../support/identity_provider.ts";
import { ADMIN_TOKEN, Program, TestCoordinator, temporaryFolder } from "../support/processes.ts";

/** Sign-in with accounts of a real provider of OpenID Connect. */

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
const SECRET = "a client secret that nobody guesses";
let coordinator: TestCoordinator;
let company: IdentityProvider;

beforeAll(async () => {
	coordinator = await TestCoordinator.start({ args: ["--allow-outbound", "127.0.0.1"], atEnd });
	const redirectUri = `${coordinator.url}/sign-in/with/company/callback`;
	company = await IdentityProvider.start([{ id: "windlass", secret: SECRET, redirectUri }], atEnd);
	company.claims.set("ada", { preferred_username: "Ada", groups: ["ci", "ci-admins"] });
	await provide("company", {
		sign_up: [
			{ group: "ci", role: "developer" },
			{ group: "ci-admins", role: "admin" },
			{ domain: "example.org", role: "viewer" },
		],
	});
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

function provide(name: string, more: object): Promise<Response> {
	const json = { kind: "oidc", url: company.issuer, client_id: "windlass", client_secret: SECRET, ...more };
	return coordinator.request(`/api/v1/identity-providers/${name}`, { method: "PUT", body: JSON.stringify(json) });
}

async function signIn(
	person: string | null,
	at = "/sign-in/with/company",
	browser = new CookieBrowser(),
): Promise<{ browser: CookieBrowser; page: Response }> {
	company.person = person;
	return { browser, page: await browser.open(coordinator.url + at) };
}

async function whoami(browser: CookieBrowser): Promise<Partial<Caller>> {
	const answer = await coordinator.request("/api/v1/whoami", { token: null, headers: browser.headers(coordinator.url) });
	return (await answer.json()) as Partial<Caller>;
}

async function people(): Promise<Person[]> {
	return (await coordinator.get<Page<Person>>("/api/v1/people")).items;
}

const isCallback = (url: URL) => url.pathname.endsWith("/callback");

describe("an account of a provider", () => {
	test("whose group a rule names joins with the greatest role, and lands where it wanted to go", async () => {
		const { browser, page } = await signIn("ada", "/sign-in/with/company?to=%2Fagents");
		expect([page.status, browser.visited.at(-1)]).toEqual([200, `${coordinator.url}/agents`]);
		expect(await whoami(browser)).toMatchObject({ name: "ada", role: "admin" });
		const again = await signIn("ada");
		expect(await whoami(again.browser)).toMatchObject({ name: "ada" });
		expect((await people()).filter(({ name }) => name.startsWith("ada"))).toMatchObject([
			{ role: "admin", providers: ["company"], has_role_by_rule: true, last_seen: { from: "127.0.0.1" } },
		]);
	});

	test("gets the role that its groups give at each sign-in, and nobody changes it here", async () => {
		company.claims.set("bob", { preferred_username: "bob", groups: ["ci-admins"] });
		await signIn("bob");
		company.claims.set("bob", { preferred_username: "bob", groups: ["ci"] });
		const { browser } = await signIn("bob");
		expect(await whoami(browser)).toMatchObject({ name: "bob", role: "developer" });
		const { id = "" } = (await people()).find(({ name }) => name === "bob") ?? {};
		const answer = await coordinator.request(`/api/v1/people/${id}`, { method: "PATCH", body: JSON.stringify({ role: "admin" }) });
		expect([answer.status, ((await answer.json()) as ErrorBody).message]).toEqual([409, expect.stringContaining("rules of company")]);
	});

	test("has personal tokens for 30 days at most: its groups are known at a sign-in only", async () => {
		const { browser } = await signIn("ada");
		const made = await coordinator.request("/api/v1/tokens", {
			...{ token: null, method: "POST", headers: browser.headers(coordinator.url) },
			body: JSON.stringify({ name: "long", role: "viewer", expires_in: "365d" }),
		});
		const { expires_at } = (await made.json()) as CreatedToken;
		expect(Date.parse(expires_at ?? "") - Date.now()).toBeLessThanOrEqual(30 * 86_400_000);
	});

	test("that is in no group any more is refused, and its sessions and tokens end", async () => {
		company.claims.set("eve", { preferred_username: "eve", groups: ["ci"] });
		const { browser } = await signIn("eve");
		const made = await coordinator.request("/api/v1/tokens", {
			...{ token: null, method: "POST", headers: browser.headers(coordinator.url) },
			body: JSON.stringify({ name: "laptop", role: "viewer", expires_in: "1d" }),
		});
		const { token } = (await made.json()) as CreatedToken;
		company.claims.set("eve", { preferred_username: "eve", groups: ["others"] });
		const refused = await signIn("eve");
		expect([refused.page.status, await refused.page.text()]).toEqual([
			403,
			expect.stringContaining("is in nothing any more that may sign in"),
		]);
		expect((await coordinator.request("/api/v1/whoami", { token })).status).toBe(401);
		expect(await whoami(browser)).toMatchObject({ error: "authentication_required" });
	});

	test("gets in by a domain only with a verified address of exactly this domain", async () => {
		const cases = [
			{ email: "x@example.org", email_verified: true, status: 200 },
			{ email: "x@EXAMPLE.org", email_verified: true, status: 200 },
			{ email: "x@example.org", email_verified: false, status: 403 },
			{ email: "x@example.org", status: 403 },
			{ email: "x@sub.example.org", email_verified: true, status: 403 },
			{ email: "x@example.org@evil.example", email_verified: true, status: 403 },
			{ email: "x@notexample.org", email_verified: true, status: 403 },
		];
		for (const [at, { status, ...claims }] of cases.entries()) {
			company.claims.set(`of-domain-${at}`, { preferred_username: `of-domain-${at}`, ...claims });
			expect([claims, (await signIn(`of-domain-${at}`)).page.status]).toEqual([claims, status]);
		}
	});

	test("never becomes somebody else for being called alike", async () => {
		await coordinator.post("/api/v1/tokens", { name: "robot", role: "operator", expires_in: "1d" });
		const called = [
			["robot", "robot-2"],
			["Robot@elsewhere.example", "robot-3"],
			["Zoë Müller", "zoe-muller"],
			["\u202e<b>", "b"],
			["", "person"],
			["../../etc", "etc"],
		];
		for (const [at, [username, name]] of called.entries()) {
			company.claims.set(`called-${at}`, { preferred_username: username, groups: ["ci"] });
			const { browser } = await signIn(`called-${at}`);
			expect([username, (await whoami(browser)).name]).toEqual([username, name]);
		}
	});

	test("of a removed person does not sign up again, and comes back with an invitation", async () => {
		company.claims.set("lee", { preferred_username: "lee", groups: ["ci"] });
		const { browser } = await signIn("lee");
		const { id = "" } = (await people()).find(({ name }) => name === "lee") ?? {};
		await coordinator.request(`/api/v1/people/${id}`, { method: "DELETE" });
		expect(await whoami(browser)).toMatchObject({ error: "authentication_required" });
		// Nor does another account take the name, which records and settings mean.
		company.claims.set("lee-2", { preferred_username: "lee", groups: ["ci"] });
		expect(await whoami((await signIn("lee-2")).browser)).toMatchObject({ name: "lee-2" });
		const { page } = await signIn("lee");
		expect([page.status, await page.text()]).toEqual([403, expect.stringContaining("was removed here")]);
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "lee.2", role: "viewer" });
		const back = await signIn("lee", `/sign-in/with/company?invitation=${new URL(url).searchParams.get("code")}`);
		expect(await whoami(back.browser)).toMatchObject({ name: "lee.2", role: "viewer" });
	});
});

describe("a reset", () => {
	const reset = async (name: string) => {
		const { id = "" } = (await people()).find((person) => person.name === name) ?? {};
		const { url } = await coordinator.post<Invitation>(`/api/v1/people/${id}/reset`, {});
		return new URL(url).searchParams.get("code") ?? "";
	};
	const PASSWORD = "a password that is long enough";
	const withPassword = (path: string, fields: Record<string, string>) =>
		coordinator.request(path, {
			...{ token: null, method: "POST", redirect: "manual", headers: { Origin: coordinator.url } },
			body: new URLSearchParams(fields).toString(),
		});

	test("is used with one's own account, and makes an invited person of somebody who came by a rule", async () => {
		company.claims.set("ruth", { preferred_username: "ruth", groups: ["ci"] });
		await signIn("ruth");
		const { browser } = await signIn("ruth", `/sign-in/with/company?invitation=${await reset("ruth")}`);
		expect(await whoami(browser)).toMatchObject({ name: "ruth", role: "developer" });
		expect((await people()).find(({ name }) => name === "ruth")).toMatchObject({ providers: ["company"], has_role_by_rule: false });
		company.claims.set("ruth", { preferred_username: "ruth", groups: [] });
		expect((await signIn("ruth")).page.status).toBe(200);
	});

	test("with a password ends the account, and one with an account ends the password", async () => {
		company.claims.set("otto", { preferred_username: "otto", groups: ["ci"] });
		await signIn("otto");
		const code = await reset("otto");
		expect((await withPassword("/join", { code, password: PASSWORD, again: PASSWORD })).status).toBe(303);
		expect((await people()).find(({ name }) => name === "otto")).toMatchObject({ providers: [], has_role_by_rule: false });
		company.claims.set("otto", { preferred_username: "otto", groups: [] });
		expect((await signIn("otto")).page.status).toBe(403);
		expect((await withPassword("/sign-in", { name: "otto", password: PASSWORD })).status).toBe(303);
		await signIn("otto", `/sign-in/with/company?invitation=${await reset("otto")}`);
		expect((await withPassword("/sign-in", { name: "otto", password: PASSWORD })).status).toBe(401);
	});
});

describe("an invitation", () => {
	test("of somebody who is in no group any more works no more", async () => {
		company.claims.set("boss", { preferred_username: "boss", groups: ["ci-admins"] });
		const { browser } = await signIn("boss");
		const made = await coordinator.request("/api/v1/people", {
			...{ token: null, method: "POST", headers: { ...browser.headers(coordinator.url), "Content-Type": "application/json" } },
			body: JSON.stringify({ name: "ghost", role: "admin" }),
		});
		const { url } = (await made.json()) as Invitation;
		company.claims.set("boss", { preferred_username: "boss", groups: [] });
		expect((await signIn("boss")).page.status).toBe(403);
		const { pathname, search } = new URL(url);
		expect((await coordinator.request(pathname + search, { token: null })).status).toBe(404);
	});

	test("is not used by following a link of another site: its page comes first", async () => {
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "lured", role: "viewer" });
		const code = new URL(url).searchParams.get("code") ?? "";
		const follow = (site: string) =>
			coordinator.request(`/sign-in/with/company?invitation=${code}`, {
				token: null,
				redirect: "manual",
				headers: { "Sec-Fetch-Site": site },
			});
		for (const site of ["cross-site", "same-site", "none"]) expect((await follow(site)).headers.get("Location")).toBe(`/join?code=${code}`);
		expect((await follow("same-origin")).headers.get("Location")).toContain(company.issuer);
	});

	test("is used with an account of which no rule knows, once, and its role stays", async () => {
		company.claims.set("guest", { preferred_username: "guest", groups: ["guests"] });
		expect((await signIn("guest")).page.status).toBe(403);
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "guest", role: "maintainer" });
		expect(await (await coordinator.request(new URL(url).pathname + new URL(url).search, { token: null })).text()).toContain(
			"Continue with single sign-on",
		);
		const way = `/sign-in/with/company?invitation=${new URL(url).searchParams.get("code")}`;
		expect(await whoami((await signIn("guest", way)).browser)).toMatchObject({ name: "guest", role: "maintainer" });
		expect(await whoami((await signIn("guest")).browser)).toMatchObject({ name: "guest", role: "maintainer" });
		expect((await signIn("outsider", way)).page.status).toBe(401);
	});

	test("gives nobody an account that is somebody else's", async () => {
		const { url } = await coordinator.post<Invitation>("/api/v1/people", { name: "second", role: "viewer" });
		const { page } = await signIn("ada", `/sign-in/with/company?invitation=${new URL(url).searchParams.get("code")}`);
		expect(page.status).toBe(409);
		expect((await people()).map(({ name }) => name)).not.toContain("second");
	});
});

describe("the way back from the provider", () => {
	async function stoppedBefore(browser: CookieBrowser): Promise<string> {
		company.person = "ada";
		const response = await browser.open(`${coordinator.url}/sign-in/with/company`, isCallback);
		return response.headers.get("Location") ?? "";
	}

	test("ends a sign-in once: neither the same browser nor one with its cookies ends it again", async () => {
		const browser = new CookieBrowser();
		const callback = await stoppedBefore(browser);
		const thief = browser.copy();
		expect((await browser.open(callback)).status).toBe(200);
		expect((await browser.open(callback)).status).toBe(401);
		const stolen = await thief.open(callback);
		expect([stolen.status, await stolen.text()]).toEqual([401, expect.stringContaining("invalid_grant")]);
	});

	test("is refused in another browser, with another state, and for another provider", async () => {
		const browser = new CookieBrowser();
		const callback = await stoppedBefore(browser);
		expect((await new CookieBrowser().open(callback)).status).toBe(401);
		const changed = new URL(callback);
		changed.searchParams.set("state", `${changed.searchParams.get("state")}x`);
		expect((await browser.open(changed.href)).status).toBe(401);
		await provide("other", { sign_up: [{ group: "ci", role: "admin" }] });
		expect((await browser.open(callback.replace("/with/company/", "/with/other/"))).status).toBe(401);
		expect((await browser.open(callback)).status).toBe(200);
	});

	test("works in two tabs at once", async () => {
		const browser = new CookieBrowser();
		company.person = "ada";
		const begin = async () =>
			(await browser.open(`${coordinator.url}/sign-in/with/company`, ({ origin }) => origin === company.issuer)).headers.get("Location") ??
			"";
		for (const onward of [await begin(), await begin()]) expect((await browser.open(onward)).status).toBe(200);
	});

	test("says that the person said no", async () => {
		const { page } = await signIn(null);
		expect([page.status, await page.text()]).toEqual([401, expect.stringContaining("was canceled there")]);
	});

	test("leads to no other server", async () => {
		for (const to of ["https://evil.example/", "//evil.example/", "/\\evil.example", "/%09/evil.example"]) {
			const { browser } = await signIn("ada", `/sign-in/with/company?to=${encodeURIComponent(to)}`);
			expect([to, new URL(browser.visited.at(-1) ?? "").origin]).toEqual([to, coordinator.url]);
		}
	});

	test("is to the address that the provider knows, to the byte", async () => {
		const { browser, page } = await signIn("ada", "/sign-in/with/other");
		expect([page.status, new URL(browser.visited.at(-1) ?? "").origin]).toEqual([400, company.issuer]);
	});

	test("of two tabs of a new account makes one person", async () => {
		company.claims.set("twin", { preferred_username: "twin", groups: ["ci"] });
		company.person = "twin";
		const browsers = Array.from({ length: 4 }, () => new CookieBrowser());
		const callbacks = await Promise.all(browsers.map((one) => one.open(`${coordinator.url}/sign-in/with/company`, isCallback)));
		await Promise.all(browsers.map((one, at) => one.open(callbacks[at]?.headers.get("Location") ?? "")));
		expect((await people()).filter(({ name }) => name.startsWith("twin"))).toHaveLength(1);
		for (const browser of browsers) expect(await whoami(browser)).toMatchObject({ name: "twin" });
	});
});

describe("the record", () => {
	test("has sign-ins, refusals and changes of providers, and no secret is shown or logged", async () => {
		const { items } = await coordinator.get<Page<AuditEntry>>("/api/v1/audit?limit=200");
		expect(items).toContainEqual(expect.objectContaining({ event: "sign_in", actor: "ada", outcome: "done", details: { by: "company" } }));
		expect(items).toContainEqual(
			expect.objectContaining({
				event: "sign_in",
				outcome: "refused",
				details: { by: "company", why: expect.stringContaining("may sign up") },
			}),
		);
		expect(items).toContainEqual(
			expect.objectContaining({
				event: "identity_providers.manage",
				details: expect.objectContaining({ name: "company", sign_up: expect.stringContaining("group:ci=developer") }),
			}),
		);
		const shown = JSON.stringify([items, await coordinator.get("/api/v1/identity-providers"), await coordinator.get("/api/v1/secrets")]);
		expect(shown).not.toContain(SECRET);
		expect(coordinator.program.output).not.toContain(SECRET);
		expect((await coordinator.get<Page<Secret>>("/api/v1/secrets")).items).toEqual([]);
	});
});

describe("windlass identity-providers", () => {
	const windlass = async (...args: string[]) => {
		const program = new Program(args, { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
		return { code: await program.exited, output: program.output };
	};

	test("sets, lists and removes one; its people are signed out", async () => {
		const file = path.join(temporaryFolder(atEnd), "secret");
		writeFileSync(file, `${SECRET}\n`);
		const set = await windlass(
			...["identity-providers", "set", "third", "--kind", "oidc", "--url", company.issuer, "--client-id", "windlass"],
			...["--client-secret-file", file, "--sign-up", "group:a:b=c=admin", "--label", "the company"],
		);
		expect([set.code, set.output]).toEqual([0, expect.stringContaining(`${coordinator.url}/sign-in/with/third/callback`)]);
		expect((await windlass("identity-providers")).output).toMatch(/third.*group:a:b=c=admin/);
		expect((await windlass("identity-providers", "set", "x", "--kind", "oidc", "--client-id", "y", "--sign-up", "ci")).output).toContain(
			"ci is no rule",
		);
		const { browser } = await signIn("ada");
		expect(await whoami(browser)).toMatchObject({ name: "ada" });
		expect((await windlass("identity-providers", "rm", "company")).code).toBe(0);
		expect(await whoami(browser)).toMatchObject({ error: "authentication_required" });
		expect((await coordinator.request("/sign-in/with/company", { token: null })).status).toBe(404);
	});
});

describe("a provider that does not fit", () => {
	const cases: [string, object, number, RegExp][] = [
		["that nobody answers for", { url: "http://127.0.0.1:9" }, 503, /does not answer/],
		["that is not allowed", { url: "http://10.255.255.1" }, 503, /--allow-outbound/],
		["that is no issuer", { url: "URL/somewhere" }, 503, /no issuer of OpenID Connect/],
		["without a secret", { client_secret: undefined }, 422, /client_secret is missing/],
		["with an organization for OpenID Connect", { sign_up: [{ organization: "acme", role: "viewer" }] }, 422, /write group/],
		["with two conditions in one rule", { sign_up: [{ group: "a", domain: "b.c", role: "viewer" }] }, 422, /needs one of domain/],
		["with an unknown field", { clientid: "x" }, 422, /clientid/],
		["without openid", { scopes: ["email"] }, 422, /needs openid/],
		["with a file as its address", { url: "file:///etc/passwd" }, 422, /is not an address/],
	];
	test.each(cases)("%s is refused", async (_, more, status, says) => {
		const url = (more as { url?: string }).url?.replace("URL", company.issuer);
		const answer = await provide("misfit", { ...more, ...(url && { url }) });
		expect([answer.status, await answer.text()]).toEqual([status, expect.stringMatching(says)]);
	});

	test("under a name with other signs is refused; another place under a known name, too", async () => {
		expect((await provide("a.b", {})).status).toBe(422);
		expect((await provide("-x", {})).status).toBe(422);
		const answer = await provide("third", { kind: "gitlab" });
		expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining("Its accounts are not those")]);
	});
});
