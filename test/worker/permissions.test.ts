import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { ACTIONS, type Action, isAtLeast, may, ROLES, type Role } from "../../schema/wire/permissions.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { Caller, CreatedToken, Token } from "../../schema/wire/tokens.ts";
import { routes } from "../../worker/routes.ts";
import { assertMayCancel } from "../../worker/runs/service.ts";
import { ADMIN, withAdmin } from "./admin.ts";

interface Answer<Body = Record<string, unknown>> {
	status: number;
	body: Body;
}

async function ask<Body = Record<string, unknown>>(token: string, method: string, path: string, body?: unknown): Promise<Answer<Body>> {
	const init = {
		method,
		headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
		redirect: "manual",
		...(body === undefined ? {} : { body: JSON.stringify(body) }),
	} as RequestInit;
	const response = await exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
	const isJson = /^application\/json\b/.test(response.headers.get("Content-Type") ?? "");
	return { status: response.status, body: (isJson ? await response.json() : { text: await response.text() }) as Body };
}

let names = 0;
async function tokenOf(role: Role, projects?: string[], by = ADMIN): Promise<CreatedToken> {
	names += 1;
	const request = { name: `${role}-${names}`, role, expires_in: "30d", ...(projects ? { projects } : {}) };
	const { status, body } = await ask<CreatedToken>(by, "POST", "/api/v1/tokens", request);
	expect([status, body.name]).toEqual([201, request.name]);
	return body;
}

const runIn = async (project: string, token = ADMIN): Promise<string> =>
	(await ask<SubmittedRun>(token, "POST", "/api/v1/runs", { pipeline: { steps: ["true"] }, project })).body.id;

withAdmin();
beforeAll(async () => {
	for (const name of ["web", "other"]) await ask(ADMIN, "POST", "/api/v1/projects", { name });
});

/** Routes for people. The others let in everybody, or no person. */
const forPeople = routes.filter(({ allow }) => allow.includes("user") && !allow.includes("anyone"));
/** Their answer would not end by itself. */
const ENDLESS = new Set(["GET /api/v1/events"]);
/** An address of a route with ids that nothing has. */
const example = (path: string) =>
	path
		.replace(/:path\+/, "a/b")
		.replace("/projects/:name", "/projects/other")
		.replace(/:\w+/g, "x");

describe("roles", () => {
	test("every route for people names its action", () => {
		expect(forPeople.length).toBeGreaterThan(120);
		expect(forPeople.filter(({ action }) => action === undefined).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
		const used = new Set(routes.map(({ action }) => action));
		expect((Object.keys(ACTIONS) as Action[]).filter((action) => !used.has(action) && !CHECKED_BY_HANDLERS.includes(action))).toEqual([]);
	});

	/** Actions that depend on whose a thing is. */
	const CHECKED_BY_HANDLERS: Action[] = ["runs.cancel_any", "tokens.create", "tokens.manage", "metrics.read"];

	test.each(ROLES)("%s gets into the routes of its actions, and into no other", async (role) => {
		const { token } = await tokenOf(role);
		for (const { method, path, action } of forPeople) {
			const name = `${method} ${path}`;
			// The end of all sessions and a sweep change what other tests see.
			const isLeftOut = ENDLESS.has(name) || action === "sessions.end_all" || action === "retention.sweep";
			const isAllowed = may(role, action as Action);
			if (isAllowed && isLeftOut) continue;
			const { status, body } = await ask(token, method, example(path), method === "GET" ? undefined : {});
			const details = body.details as { role?: string; action?: string } | undefined;
			const isRefused = status === 403 && details?.action === action && details?.role === role;
			expect([name, isRefused]).toEqual([name, !isAllowed]);
			expect([name, status]).not.toEqual([name, 500]);
		}
	});

	test("pages leave out the forms of what a reader may not do", async () => {
		const formsOf = async (role: Role) => {
			const { token } = await tokenOf(role);
			const texts = await Promise.all(
				["/projects", "/projects/web?tab=settings", "/agents", "/queue", "/tokens"].map(async (path) =>
					String((await ask(token, "GET", path)).body.text),
				),
			);
			const actions = texts.flatMap((text) => [...text.matchAll(/<form method="post" action="([^"]+)"/g)].map(([, action = ""]) => action));
			return new Set(actions.map((action) => action.replace(/(tok|reg|agt)_\w+/, ":id")));
		};
		const [viewer, maintainer, operator] = [await formsOf("viewer"), await formsOf("maintainer"), await formsOf("operator")];
		expect([...viewer]).toEqual(["/tokens/:id/revoke"]);
		expect([...maintainer]).toEqual(expect.arrayContaining(["/projects/web", "/tokens"]));
		for (const action of ["/projects", "/projects/web/delete", "/agents", "/queue/pause"])
			expect([action, maintainer.has(action), operator.has(action)]).toEqual([action, false, true]);
	});

	test("a developer cancels what they submitted, and a maintainer everything", async () => {
		const [one, two, maintainer] = [await tokenOf("developer"), await tokenOf("developer"), await tokenOf("maintainer")];
		const own = await runIn("web", one.token);
		const refused = await ask(two.token, "POST", `/api/v1/runs/${own}/cancel`);
		expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining("only runs that they submitted")]);
		const { jobs } = (await ask<Run>(two.token, "GET", `/api/v1/runs/${own}`)).body;
		expect((await ask(two.token, "POST", `/api/v1/jobs/${jobs[0]?.id}/cancel`)).status).toBe(403);
		expect((await ask(two.token, "POST", `/runs/${own}/cancel`)).status).toBe(403);
		expect((await ask(two.token, "POST", `/jobs/${jobs[0]?.id}/cancel`)).status).toBe(403);
		expect((await ask(one.token, "POST", `/api/v1/runs/${own}/cancel`)).status).toBe(200);
		const another = await runIn("web", one.token);
		expect((await ask(maintainer.token, "POST", `/api/v1/runs/${another}/cancel`)).status).toBe(200);
	});

	test("a name that a forge delivered is nobody's token", () => {
		const principal = {
			kind: "user",
			team: "default",
			home: "default",
			role: "developer",
			name: "ada",
			tokenId: "t",
			personId: null,
			since: 100,
			expiresAt: null,
			sessionId: null,
			projects: null,
			cap: "developer",
			projectRoles: {},
		} as const;
		const run = { trigger_kind: "manual", trigger_actor: "ada", trigger_delivery: null, rerun_of: null, created_at: 100 } as const;
		expect(() => assertMayCancel(principal, run)).not.toThrow();
		const rerun = { ...run, trigger_kind: "push", trigger_delivery: "dlv_1", rerun_of: "run_1" } as const;
		expect(() => assertMayCancel(principal, rerun)).not.toThrow();
		for (const other of [{ trigger_delivery: "dlv_1" }, { trigger_kind: "push" as const }, { trigger_actor: "bob" }, { created_at: 99 }])
			expect(() => assertMayCancel(principal, { ...run, ...other })).toThrow("only runs that they submitted");
	});
});

describe("a token for some projects", () => {
	test("opens nothing of another project, and nothing that is of none", async () => {
		const { token } = await tokenOf("operator", ["web"]);
		const outside = await runIn("other");
		const { jobs } = (await ask<Run>(ADMIN, "GET", `/api/v1/runs/${outside}`)).body;
		const own = new Set(["GET /api/v1/whoami"]);
		for (const { method, path } of forPeople) {
			const name = `${method} ${path}`;
			if (own.has(name)) continue;
			const addresses = [example(path), path.replace("/runs/:id", `/runs/${outside}`).replace("/jobs/:id", `/jobs/${jobs[0]?.id}`)];
			for (const address of new Set(addresses.map(example))) {
				const body = method === "GET" ? undefined : { pipeline: { steps: ["true"] }, project: "other", value: "a value" };
				const { status } = await ask(token, method, address, body);
				// 415: a form or an archive is wanted, before it is known which project it is about.
				expect([name, status, [403, 404, 422, 400, 415].includes(status)]).toEqual([name, status, true]);
			}
		}
	});

	test("answers the same for what is of another project as for what does not exist", async () => {
		const { token } = await tokenOf("operator", ["web"]);
		const outside = await runIn("other");
		const asked = async (id: string) => {
			const { status, body } = await ask(token, "GET", `/api/v1/runs/${id}`);
			return [status, body.error, String(body.message).replace(id, "ID")];
		};
		expect(await asked(outside)).toEqual(await asked("run_01J00000000000000000000000"));
		const project = async (name: string) => {
			const { status, body } = await ask(token, "GET", `/api/v1/projects/${name}`);
			return [status, body.error, String(body.message).replace(name, "NAME")];
		};
		expect(await project("other")).toEqual(await project("nowhere"));
	});

	test("does not tell by a submission which other projects there are", async () => {
		await ask(ADMIN, "POST", "/api/v1/projects", { name: "hidden", repository: "https://git.test/hidden.git" });
		const { token } = await tokenOf("operator", ["web"]);
		for (const path of ["/api/v1/runs", "/api/v1/runs?dry_run=1", "/api/v1/runs/batch"]) {
			const asked = async (project: string) => {
				const { status, body } = await ask(token, "POST", path, { pipeline: { source: { depth: 2 }, steps: ["true"] }, project });
				return [status, body.error, String(body.message).replace(project, "NAME")];
			};
			expect([path, await asked("hidden")]).toEqual([path, await asked("nowhere")]);
		}
		expect((await ask(token, "GET", "/projects/web")).status).toBe(403);
	});

	test("submits, lists, reads and cancels in its own", async () => {
		const { token, name } = await tokenOf("maintainer", ["web"]);
		const id = await runIn("web", token);
		expect((await ask<Run>(token, "GET", `/api/v1/runs/${id}`)).body.trigger.actor).toBe(name);
		const listed = async () => (await ask<Page<Run>>(token, "GET", "/api/v1/runs?project=web")).body.items.map((run) => run.id);
		await expect.poll(listed, { timeout: 5_000 }).toContain(id);
		for (const address of ["/api/v1/runs", "/api/v1/runs?project=other", "/api/v1/runs?project=other&project=web"])
			expect([address, [400, 403, 404].includes((await ask(token, "GET", address)).status)]).toEqual([address, true]);
		// Let in; without a master key nothing is stored.
		expect([201, 503]).toContain((await ask(token, "PUT", "/api/v1/secrets/own", { value: "a value", project: "web" })).status);
		expect((await ask(token, "PUT", "/api/v1/secrets/own", { value: "a value", project: "other" })).status).toBe(404);
		expect((await ask(token, "PUT", "/api/v1/secrets/own", { value: "a value" })).status).toBe(403);
		const batch = (await ask(token, "POST", "/api/v1/runs", { pipeline: { steps: ["true"] }, project: "other" })).status;
		const dry = (await ask(token, "POST", "/api/v1/runs?dry_run=1", { pipeline: { steps: ["true"] }, project: "other" })).status;
		expect([batch, dry]).toEqual([404, 404]);
		expect((await ask(token, "POST", `/api/v1/runs/${id}/cancel`)).status).toBe(200);
	});
});

describe("tokens", () => {
	test("are shown once, and only their hash is stored", async () => {
		const made = await tokenOf("developer", ["web"]);
		expect(made.token).toMatch(/^wlp_[0-9a-f]{64}$/);
		expect((await tokenOf("developer")).token).toMatch(/^wls_/);
		const rows = await env.DB.prepare("SELECT * FROM tokens").all();
		expect(JSON.stringify(rows.results)).not.toContain(made.token);
		const { body } = await ask(ADMIN, "GET", "/api/v1/tokens");
		expect(JSON.stringify(body)).not.toContain(made.token);
		expect(JSON.stringify(body)).not.toMatch(/"hash"/);
	});

	test("have at most the role and the projects of who makes them", async () => {
		const maintainer = await tokenOf("maintainer");
		const make = (more: object) =>
			ask(maintainer.token, "POST", "/api/v1/tokens", { name: "more", role: "developer", expires_in: "1d", projects: ["web"], ...more });
		const refused = await make({ role: "admin" });
		expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining("cannot make a token with the role admin")]);
		expect((await make({ projects: undefined })).status).toBe(403);
		expect((await make({ projects: ["nowhere"] })).status).toBe(404);
		expect((await make({})).status).toBe(201);
		const ofProject = await tokenOf("operator", ["web"]);
		expect((await ask(ofProject.token, "POST", "/api/v1/tokens", { name: "x", role: "viewer", expires_in: "1d" })).status).toBe(403);
	});

	test.each([
		[{ name: "Deploy Bot" }, "name"],
		[{ name: "ａdmin" }, "name"],
		[{ role: "owner" }, "role"],
		[{ expires_in: "3y" }, "expires_in"],
		[{ expires_in: "367d" }, "expires_in"],
		[{ expires_in: "-1d" }, "expires_in"],
		[{ expires_in: undefined }, "expires_in"],
		[{ projects: [] }, "projects"],
		[{ projects: ["../web"] }, "projects"],
		[{ kind: "admin" }, "kind"],
	])("cannot be made with %j", async (more, field) => {
		const request = { name: "wrong", role: "viewer", expires_in: "1d", ...more };
		const { status, body } = await ask(ADMIN, "POST", "/api/v1/tokens", request);
		expect([status, JSON.stringify(body)]).toEqual([422, expect.stringContaining(field)]);
	});

	test("have names of their own, which an expired one gives up", async () => {
		const { name, id, token } = await tokenOf("viewer");
		const again = () => ask(ADMIN, "POST", "/api/v1/tokens", { name, role: "viewer", expires_in: "1d" });
		expect((await again()).status).toBe(409);
		expect((await ask(ADMIN, "POST", "/api/v1/tokens", { name: "admin", role: "viewer", expires_in: "1d" })).status).toBe(409);
		await env.DB.prepare("UPDATE tokens SET expires_at = 1 WHERE id = ?").bind(id).run();
		expect((await again()).status).toBe(201);
		expect((await ask(token, "GET", "/api/v1/whoami")).status).toBe(401);
	});

	test("end when they expire, also where they were used a moment before", async () => {
		const { token, id } = await tokenOf("viewer");
		expect((await ask(token, "GET", "/api/v1/whoami")).status).toBe(200);
		await env.DB.prepare("UPDATE tokens SET expires_at = ? WHERE id = ?")
			.bind(Date.now() - 1, id)
			.run();
		// The row is trusted for two seconds.
		await expect.poll(async () => (await ask(token, "GET", "/api/v1/whoami")).status, { timeout: 5_000 }).toBe(401);
	});

	test("are invalid at once when they are revoked or rotated, with the sessions that they opened", async () => {
		const { token, id } = await tokenOf("viewer");
		expect((await ask<Caller>(token, "GET", "/api/v1/whoami")).body).toMatchObject({ role: "viewer", projects: null });
		await env.DB.prepare(
			"INSERT INTO sessions (id, team, token_id, hash, user_agent, address, created_at, expires_at) VALUES (?, 'default', ?, ?, '', '', 0, ?)",
		)
			.bind(`ses_${id}`, id, `hash-${id}`, Date.now() + 60_000)
			.run();
		const rotated = await ask<CreatedToken>(token, "POST", `/api/v1/tokens/${id}/rotate`, { expires_in: "1d" });
		expect([rotated.status, rotated.body.id]).toEqual([200, id]);
		expect((await ask(token, "GET", "/api/v1/whoami")).status).toBe(401);
		expect((await ask(rotated.body.token, "GET", "/api/v1/whoami")).status).toBe(200);
		const left = await env.DB.prepare("SELECT count(*) AS n FROM sessions WHERE token_id = ?").bind(id).first<{ n: number }>();
		expect(left?.n).toBe(0);
		expect((await ask(ADMIN, "DELETE", `/api/v1/tokens/${id}`)).status).toBe(204);
		expect((await ask(rotated.body.token, "GET", "/api/v1/whoami")).status).toBe(401);
		expect((await ask(ADMIN, "DELETE", `/api/v1/tokens/${id}`)).status).toBe(404);
	});

	test("do not make their own life longer", async () => {
		const { token, id, expires_at } = await tokenOf("developer");
		const { body } = await ask<CreatedToken>(token, "POST", `/api/v1/tokens/${id}/rotate`, { expires_in: "300d" });
		expect(body.expires_at).toBe(expires_at);
		const longer = await ask<CreatedToken>(ADMIN, "POST", `/api/v1/tokens/${id}/rotate`, { expires_in: "300d" });
		expect(Date.parse(longer.body.expires_at ?? "")).toBeGreaterThan(Date.parse(expires_at ?? ""));
	});

	test("of others are seen and changed by admins only, and never those of a greater role", async () => {
		const [developer, maintainer, admin, operator] = [
			await tokenOf("developer"),
			await tokenOf("maintainer"),
			await tokenOf("admin"),
			await tokenOf("operator"),
		];
		const seen = async (token: string) => (await ask<Page<Token>>(token, "GET", "/api/v1/tokens")).body.items.map(({ id }) => id);
		expect(await seen(developer.token)).toEqual([developer.id]);
		expect(await seen(admin.token)).toEqual(expect.arrayContaining([developer.id, maintainer.id, operator.id]));
		expect((await ask(maintainer.token, "DELETE", `/api/v1/tokens/${developer.id}`)).status).toBe(404);
		expect((await ask(admin.token, "POST", `/api/v1/tokens/${operator.id}/rotate`, { expires_in: "1d" })).status).toBe(403);
		expect((await ask(admin.token, "DELETE", `/api/v1/tokens/${operator.id}`)).status).toBe(403);
		expect((await ask(admin.token, "DELETE", `/api/v1/tokens/${developer.id}`)).status).toBe(204);
		expect((await ask(ADMIN, "DELETE", "/api/v1/tokens/tok_1")).status).toBe(409);
	});

	test("remember the day of their last use", async () => {
		const { token, id } = await tokenOf("viewer");
		const last = async () =>
			(await ask<Page<Token>>(ADMIN, "GET", "/api/v1/tokens")).body.items.find((one) => one.id === id)?.last_used ?? null;
		expect(await last()).toBeNull();
		await ask(token, "GET", "/api/v1/whoami");
		expect(await last()).toEqual({ on: new Date().toISOString().slice(0, 10), from: expect.any(String) });
	});

	test("are sorted by what they may: each role has the actions of the one before", () => {
		const actionsOf = (role: Role) => (Object.keys(ACTIONS) as Action[]).filter((action) => may(role, action));
		for (const [index, role] of ROLES.entries()) {
			const before = ROLES[index - 1];
			if (before) expect(actionsOf(role)).toEqual(expect.arrayContaining(actionsOf(before)));
			if (before) expect(actionsOf(role).length).toBeGreaterThan(actionsOf(before).length);
			expect(isAtLeast(role, role)).toBe(true);
		}
	});
});
