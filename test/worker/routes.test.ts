import { env, exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { newId } from "../../schema/wire/ids.ts";
import { OWN_SEGMENTS } from "../../schema/wire/public_url.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import { sha256 } from "../../worker/identity/digest.ts";
import { signJobToken } from "../../worker/identity/job_token.ts";
import { signLease } from "../../worker/identity/lease_token.ts";
import type { PrincipalKind } from "../../worker/identity/principal.ts";
import { openSession } from "../../worker/identity/session.ts";
import { sign } from "../../worker/identity/signing.ts";
import { routes } from "../../worker/routes.ts";

const AGENT = "agt_01J00000000000000000000000";
const ADMIN = "an-admin-token-for-tests-that-nobody-guesses";

/** What each kind of caller presents. */
async function credentials(): Promise<Record<PrincipalKind, Record<string, string>>> {
	await env.DB.prepare(
		"INSERT OR IGNORE INTO tokens (id, team, kind, name, hash, created_at) VALUES ('tok_1', 'default', 'admin', 'admin', ?, 0)",
	)
		.bind(await sha256(ADMIN))
		.run();
	const claims = { attemptId: "att_1", leaseId: "l", jobId: "job_1", agentId: AGENT, team: "default", shard: 0 };
	const lease = await signLease(env, claims);
	const job = await signJobToken(env, { ...claims, project: "web", own: "branch main", readable: ["branch main"], isTrusted: true });
	const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
	return {
		anyone: {},
		user: bearer(ADMIN),
		// Each is counted where it is wrong.
		registration: bearer(`wlr.default.${crypto.randomUUID()}`),
		agent: bearer(`wla.default.${newId("agent")}.secret`),
		lease: bearer(lease),
		job: bearer(job),
		host: bearer(`wlh.${env.HOST_SECRET}`),
	};
}

let addresses = 0;
function nextAddress(): string {
	addresses += 1;
	return `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

/** @param clientIp wrong credentials count against it */
function ask(path: string, method: string, headers: Record<string, string>, body?: string, clientIp = "192.0.2.1"): Promise<Response> {
	const init = { method, headers, redirect: "manual", cf: { clientIp }, ...(body === undefined ? {} : { body }) } as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

/** An address that the route answers at. */
function example(path: string): string {
	return path
		.replace(/:path\+/, "a/b")
		.replace(/:name/, "style.css")
		.replace(/:\w+/g, "x");
}

/** Routes whose answer would not end by itself. */
const ENDLESS = new Set(["GET /api/v1/events"]);

describe.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))("%s", (name, route) => {
	test("lets in whom it names, and nobody else", async () => {
		for (const [kind, headers] of Object.entries(await credentials()) as [PrincipalKind, Record<string, string>][]) {
			const isAllowed = route.allow.includes(kind) || route.allow.join() === "anyone";
			if (isAllowed && ENDLESS.has(name)) continue;
			const response = await ask(example(route.path), route.method, headers, route.method === "GET" ? undefined : "", nextAddress());
			const body = await response.text();
			// Nobody has checked the secrets of agents before: they learn nothing from the answer.
			const isUnchecked = kind === "agent" || kind === "registration";
			const message = kind === "anyone" ? "This request needs a token." : isUnchecked ? "The token is not valid here." : "A token of kind";
			const isRefused = body.includes(`"message":"${message}`);
			// Whom a route lets in may still be refused for what it asks; but not for what it is.
			expect([kind, isRefused && response.status === (kind === "anyone" || isUnchecked ? 401 : 403)]).toEqual([kind, !isAllowed]);
			expect(response.headers.get("X-Request-Id")).toMatch(/^[0-9a-f-]{36}$/);
			expect(response.status).not.toBe(500);
		}
	});
});

describe("lists", () => {
	test("a cursor that no page has given is a malformed request, in every list that has pages", async () => {
		const { user } = await credentials();
		const pipeline = "pip_01J00000000000000000000000";
		await env.DB.batch([
			env.DB.prepare(
				"INSERT OR IGNORE INTO projects (id, team, name, default_branch, created_at, updated_at) VALUES ('prj_1', 'default', 'web', 'main', 0, 0)",
			),
			env.DB.prepare(
				"INSERT OR IGNORE INTO pipelines (id, team, project, name, version, created_at, updated_at) VALUES (?, 'default', 'web', 'p', 1, 0, 0)",
			).bind(pipeline),
		]);
		const lists = ["runs", "jobs", "projects/web/deliveries", `pipelines/${pipeline}/versions`, "tests/history?pipeline=p&name=n"];
		for (const list of lists) {
			const at = (cursor: string) => ask(`/api/v1/${list}${list.includes("?") ? "&" : "?"}cursor=${cursor}`, "GET", user);
			for (const cursor of ["garbled", "", "-1", "1.5", "run_1", "%00"])
				expect([list, cursor, (await at(cursor)).status]).toEqual([list, cursor, 400]);
		}
		for (const page of ["/?cursor=garbled", "/projects/web?cursor=garbled"]) expect((await ask(page, "GET", user)).status).toBe(400);
	});
});

describe("stored pipelines", () => {
	test("a text of more than 10 MiB is too large, in JSON as in a form", async () => {
		const { user } = await credentials();
		const send = (yaml: string) => ask("/api/v1/pipelines", "POST", user, JSON.stringify({ name: "large", yaml }));
		const text = (bytes: number) => `steps: [a]\n#${"ü".repeat((bytes - 12) / 2)}`;
		expect((await send(text(10 * 1024 ** 2 + 2))).status).toBe(413);
		const made = await send(text(10 * 1024 ** 2));
		expect(made.status).toBe(201);
		const { id } = await made.json<{ id: string }>();
		const change = JSON.stringify({ yaml: text(10 * 1024 ** 2 + 2), version: 1 });
		expect((await ask(`/api/v1/pipelines/${id}`, "PUT", user, change)).status).toBe(413);
	});
});

describe("sessions", () => {
	const cookieOf = async (tokenId: string) => {
		const cookie = await openSession(env.DB, { team: "default", tokenId, userAgent: "a browser", address: "192.0.2.1" }, false);
		return { Cookie: cookie.split(";")[0] ?? "" };
	};

	test("stand for their token, for as long as it lives", async () => {
		await credentials();
		expect((await ask("/api/v1/runs", "GET", await cookieOf("tok_1"))).status).toBe(200);
		expect((await ask("/api/v1/runs", "GET", await cookieOf("tok_unknown"))).status).toBe(401);
		expect((await ask("/api/v1/runs", "GET", { Cookie: "windlass_session=forged" })).status).toBe(401);
	});

	test("end at sign-out and one by one, wherever their cookie was kept", async () => {
		await credentials();
		const [signedOut, ended, kept] = [await cookieOf("tok_1"), await cookieOf("tok_1"), await cookieOf("tok_1")];
		const own = { Origin: "http://windlass.test" };
		const answer = await ask("/sign-out", "POST", { ...signedOut, ...own });
		expect([answer.status, answer.headers.get("Set-Cookie")]).toEqual([303, expect.stringMatching(/^windlass_session=; .*Max-Age=0/)]);
		expect((await ask("/api/v1/runs", "GET", signedOut)).status).toBe(401);
		const { items } = await (await ask("/api/v1/sessions", "GET", ended)).json<{ items: Session[] }>();
		expect(items.filter(({ is_current }) => is_current)).toMatchObject([{ name: "admin", user_agent: "a browser", address: "192.0.2.1" }]);
		const { id = "" } = items.find(({ is_current }) => is_current) ?? {};
		expect((await ask(`/api/v1/sessions/${id}`, "DELETE", { ...kept, ...own })).status).toBe(204);
		expect((await ask(`/api/v1/sessions/${id}`, "DELETE", { ...kept, ...own })).status).toBe(404);
		expect([(await ask("/", "GET", ended)).status, (await ask("/", "GET", kept)).status]).toEqual([401, 200]);
		expect((await ask("/api/v1/sessions", "DELETE", { ...kept, ...own })).status).toBe(204);
		expect((await ask("/", "GET", kept)).status).toBe(401);
	});

	test("end with their token", async () => {
		await credentials();
		await env.DB.prepare(
			"INSERT INTO tokens (id, team, kind, name, hash, created_at) VALUES ('tok_2', 'default', 'admin', 'second', 'h2', 0)",
		).run();
		const cookie = await cookieOf("tok_2");
		const other = await cookieOf("tok_2");
		expect((await ask("/", "GET", cookie)).status).toBe(200);
		await env.DB.prepare("UPDATE tokens SET revoked_at = 1 WHERE id = 'tok_2'").run();
		// A session that was looked at less than two seconds ago may still be trusted; one that was not is over at once.
		expect((await ask("/", "GET", other)).status).toBe(401);
	});

	test("of HTTPS have a cookie that no other host can set", async () => {
		await credentials();
		const cookie = await openSession(env.DB, { team: "default", tokenId: "tok_1", userAgent: "", address: "" }, true);
		expect(cookie).toMatch(/^__Host-windlass_session=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure$/);
		const [pair = ""] = cookie.split(";");
		// Over plain HTTP that name says nothing.
		expect((await ask("/", "GET", { Cookie: pair })).status).toBe(401);
		expect((await ask("https://windlass.test/", "GET", { Cookie: pair })).status).toBe(200);
		expect((await ask("https://windlass.test/", "GET", { Cookie: pair.replace("__Host-", "") })).status).toBe(401);
	});

	test("change things only from the status page itself", async () => {
		await credentials();
		const cookie = await cookieOf("tok_1");
		const submit = (headers: Record<string, string>) => ask("/api/v1/runs", "POST", { ...cookie, ...headers }, '{"run": "true"}');
		expect((await submit({})).status).toBe(403);
		for (const origin of ["http://evil.test", "https://windlass.test", "http://windlass.test:8080", "null", "windlass.test"])
			expect((await submit({ Origin: origin })).status).toBe(403);
		expect((await submit({ Origin: "http://windlass.test" })).status).toBe(201);
	});

	test("a token that was signed for one thing is nothing to another", async () => {
		const token = await sign(
			env.SIGNING_KEY,
			"part",
			{ attemptId: "a", leaseId: "b", jobId: "c", agentId: "d", team: "default", shard: 0 },
			Date.now() + 60_000,
		);
		expect((await ask("/api/v1/attempts/a/start", "POST", { Authorization: `Bearer wll.${token}` }, "{}")).status).toBe(401);
	});

	test("the sign-in link works once, and not after its time", async () => {
		await credentials();
		const link = async (code: string, expiresAt: number) =>
			env.DB.prepare("INSERT INTO sign_in_links (hash, token_id, expires_at) VALUES (?, 'tok_1', ?)")
				.bind(await sha256(code), expiresAt)
				.run();
		await link("good", Date.now() + 60_000);
		await link("old", Date.now() - 1);
		const own = { Origin: "http://windlass.test" };
		for (const method of ["HEAD", "GET"]) {
			const shown = await ask("/sign-in?code=good", method, {});
			expect([shown.status, shown.headers.get("Set-Cookie")]).toEqual([200, null]);
			if (method === "GET") expect(await shown.text()).toContain('<input type="hidden" name="code" value="good"/>');
		}
		expect((await ask("/sign-in", "POST", {}, "code=good")).status).toBe(403);
		expect((await ask("/sign-in", "POST", { Origin: "https://windlass.test" }, "code=good")).status).toBe(403);
		const first = await ask("/sign-in", "POST", own, "code=good");
		expect([first.status, first.headers.get("Location")]).toEqual([303, "/"]);
		expect(first.headers.get("Set-Cookie")).toMatch(/^windlass_session=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
		expect((await ask("/sign-in", "POST", own, "code=good")).status).toBe(401);
		expect((await ask("/sign-in", "POST", own, "code=old")).status).toBe(401);
		expect((await ask("/sign-in", "POST", own, "token=wrong")).status).toBe(401);
		expect((await ask("/sign-in", "POST", own, `token=${ADMIN}`)).status).toBe(303);
	});
});

describe("pages", () => {
	test("who is not signed in is shown the way in; what is wrong is said as a page, under a strict policy", async () => {
		const html = { Accept: "text/html" };
		const signIn = await ask("/", "GET", html);
		expect([signIn.status, await signIn.text()]).toEqual([401, expect.stringContaining("paste a token")]);
		const missing = await ask("/runs/run_x", "GET", { ...html, ...(await credentials()).user });
		expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining("There is no run run_x.")]);
		const policy = missing.headers.get("Content-Security-Policy") ?? "";
		expect(policy).toContain("default-src 'none'");
		expect(policy).not.toContain("unsafe");
	});
});

test("no path of --public-url can be taken for a route", () => {
	const segments = routes.map(({ path }) => path.split("/")[1]).filter((segment) => segment !== "");
	expect([...new Set(segments)].sort()).toEqual([...OWN_SEGMENTS]);
});
