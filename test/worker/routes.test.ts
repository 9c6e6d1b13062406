import { env, exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { routes } from "../../worker/api/routes.ts";
import { sha256 } from "../../worker/auth/digest.ts";
import { signLease } from "../../worker/auth/lease_token.ts";
import type { PrincipalKind } from "../../worker/auth/principal.ts";
import { sessionCookie } from "../../worker/auth/session.ts";
import { sign } from "../../worker/auth/signing.ts";

const AGENT = "agt_01J00000000000000000000000";
const ADMIN = "an-admin-token-for-tests";

/** What each kind of caller presents. */
async function credentials(): Promise<Record<PrincipalKind, Record<string, string>>> {
	await env.DB.prepare(
		"INSERT OR IGNORE INTO tokens (id, team, kind, name, hash, created_at) VALUES ('tok_1', 'default', 'admin', 'admin', ?, 0)",
	)
		.bind(await sha256(ADMIN))
		.run();
	const lease = await signLease(env, { attemptId: "att_1", leaseId: "l", jobId: "job_1", agentId: AGENT, team: "default", shard: 0 });
	const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
	return {
		anyone: {},
		user: bearer(ADMIN),
		registration: bearer("wlr.default.secret"),
		agent: bearer(`wla.default.${AGENT}.secret`),
		lease: bearer(lease),
		host: bearer(`wlh.${env.HOST_SECRET}`),
	};
}

function ask(path: string, method: string, headers: Record<string, string>, body?: string): Promise<Response> {
	return exports.default.fetch(
		new Request(`http://windlass.test${path}`, { method, headers, redirect: "manual", ...(body === undefined ? {} : { body }) }),
	);
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
			const response = await ask(example(route.path), route.method, headers, route.method === "GET" ? undefined : "");
			const body = await response.text();
			const isRefused = body.includes(kind === "anyone" ? '"message":"This needs a token."' : '"message":"This is not for a token of kind');
			// Whom a route lets in may still be refused for what it asks; but not for what it is.
			expect([kind, isRefused && response.status === (kind === "anyone" ? 401 : 403)]).toEqual([kind, !isAllowed]);
			expect(response.headers.get("X-Request-Id")).toMatch(/^[0-9a-f-]{36}$/);
			expect(response.status).not.toBe(500);
		}
	});
});

describe("sessions", () => {
	const cookieOf = async (tokenId: string) => ({ Cookie: (await sessionCookie(env, tokenId, false)).split(";")[0] ?? "" });

	test("stand for their token, for as long as it lives", async () => {
		await credentials();
		expect((await ask("/api/v1/runs", "GET", await cookieOf("tok_1"))).status).toBe(200);
		expect((await ask("/api/v1/runs", "GET", await cookieOf("tok_unknown"))).status).toBe(401);
		expect((await ask("/api/v1/runs", "GET", { Cookie: "windlass_session=forged" })).status).toBe(401);
	});

	test("change things only from the status page itself", async () => {
		await credentials();
		const cookie = await cookieOf("tok_1");
		const submit = (headers: Record<string, string>) => ask("/api/v1/runs", "POST", { ...cookie, ...headers }, '{"run": "true"}');
		expect((await submit({})).status).toBe(403);
		expect((await submit({ Origin: "http://evil.test" })).status).toBe(403);
		expect((await submit({ Origin: "http://windlass.test" })).status).toBe(201);
	});

	test("a token that was signed for one thing is nothing to another", async () => {
		const token = await sign(
			env.SIGNING_KEY,
			"session",
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
		const first = await ask("/sign-in?code=good", "GET", {});
		expect([first.status, first.headers.get("Location")]).toEqual([303, "/"]);
		expect(first.headers.get("Set-Cookie")).toMatch(/^windlass_session=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+$/);
		expect((await ask("/sign-in?code=good", "GET", {})).status).toBe(401);
		expect((await ask("/sign-in?code=old", "GET", {})).status).toBe(401);
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
