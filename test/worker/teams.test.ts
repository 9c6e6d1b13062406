import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Invitation } from "../../schema/wire/people.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { CreatedTeam, Team } from "../../schema/wire/teams.ts";
import type { Caller, CreatedToken } from "../../schema/wire/tokens.ts";
import { routes } from "../../worker/routes.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** Teams that share a coordinator see nothing of each other. */

interface Asked {
	token?: string | null;
	team?: string;
	body?: unknown;
	headers?: Record<string, string>;
	address?: string;
}

async function ask(method: string, path: string, { token = ADMIN, team, body, headers = {}, address }: Asked = {}) {
	const init = {
		method,
		redirect: "manual",
		cf: { clientIp: address ?? "198.51.100.77" },
		headers: {
			...{ "Content-Type": "application/json", Accept: "application/json" },
			...(token !== null && { Authorization: `Bearer ${token}` }),
			...(team !== undefined && { "Windlass-Team": team }),
			...headers,
		},
		...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
	} as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}

async function json<Body>(method: string, path: string, asked: Asked = {}): Promise<Body> {
	const answer = await ask(method, path, asked);
	expect([method, path, answer.status < 300 ? "" : await answer.clone().text()]).toEqual([method, path, ""]);
	return (answer.status === 204 ? null : await answer.json()) as Body;
}

/** What a team has, for somebody who should not see it. */
interface Held {
	token: string;
	run: Run;
	ids: Record<string, string>;
}

const pipeline = { name: "p", steps: ["true"] };

/** A team with one of everything that has an address. */
async function filledTeam(slug: string): Promise<Held> {
	await json("POST", "/api/v1/teams", { body: { slug } });
	const asOperator = { team: slug };
	const { token } = await json<CreatedToken>("POST", "/api/v1/tokens", {
		...asOperator,
		body: { name: "chief", kind: "service", role: "admin", expires_in: "1d" },
	});
	const own = { token };
	await json("POST", "/api/v1/projects", { ...own, body: { name: `${slug}-secret`, repository: "https://git.test/x.git" } });
	await env.DB.prepare(
		"INSERT INTO secrets (team, project, name, data_key, iv, ciphertext, created_at, updated_at) VALUES (?1, '', ?1 || '-key', 'k', 'x', 'x', 0, 0)",
	)
		.bind(slug)
		.run();
	const { id } = await json<SubmittedRun>("POST", "/api/v1/runs", { ...own, body: { project: `${slug}-secret`, pipeline } });
	const run = await json<Run>("GET", `/api/v1/runs/${id}`, own);
	const stored = await json<{ id: string }>("POST", "/api/v1/pipelines", {
		...own,
		body: { name: "kept", project: `${slug}-secret`, yaml: 'steps: ["true"]' },
	});
	const schedule = await json<{ id: string }>("POST", `/api/v1/projects/${slug}-secret/schedules`, {
		...own,
		body: { cron: "0 0 1 1 *" },
	});
	const invited = await json<Invitation>("POST", "/api/v1/people", { ...own, body: { name: `${slug}-guest`, role: "viewer" } });
	const registration = await json<{ id: string }>("POST", "/api/v1/agent-tokens", { ...own, body: {} });
	const made = await json<CreatedToken>("POST", "/api/v1/tokens", {
		...own,
		body: { name: `${slug}-robot`, kind: "service", role: "viewer", expires_in: "1d" },
	});
	return {
		...{ token, run },
		ids: {
			...{ run: id, job: run.jobs[0]?.id ?? "", project: `${slug}-secret`, secret: `${slug}-key`, pipeline: stored.id },
			...{ schedule: schedule.id, invitation: invited.name, registration: registration.id, token: made.id },
		},
	};
}

let red: Held;
let blue: Held;

withAdmin();
beforeAll(async () => {
	[red, blue] = [await filledTeam("red"), await filledTeam("blue")];
});

/** The address of a route with the things of a team; null for one that is about nothing of the test. */
function addressOf(path: string, { ids }: Held): string | null {
	const filled = path
		.replace("/runs/:id", `/runs/${ids.run}`)
		.replace("/jobs/:id", `/jobs/${ids.job}`)
		.replace("/projects/:name", `/projects/${ids.project}`)
		.replace("/secrets/:name", `/secrets/${ids.secret}`)
		.replace("/pipelines/:id", `/pipelines/${ids.pipeline}`)
		.replace("/schedules/:id", `/schedules/${ids.schedule}`)
		.replace("/invitations/:name", `/invitations/${ids.invitation}`)
		.replace("/agent-tokens/:id", `/agent-tokens/${ids.registration}`)
		.replace("/tokens/:id", `/tokens/${ids.token}`);
	return filled === path ? null : filled.replace(/:path\+/, "a/b").replace(/:\w+/g, "x");
}

const forPeople = routes.filter(({ allow }) => allow.includes("user") && !allow.includes("anyone"));

describe("another team", () => {
	test("finds nothing under any address that names a thing, and changes nothing", async () => {
		const before = await json<Run>("GET", `/api/v1/runs/${red.ids.run}`, red);
		let seen = 0;
		for (const { method, path, action } of forPeople) {
			const address = addressOf(path, red);
			if (address === null) continue;
			// Those who may do a thing in their own team learn no more than those who may not.
			const isForm = method === "POST" && !path.startsWith("/api/");
			const body = isForm ? "confirmed=yes" : {};
			const { status } = await ask(method, address, { token: blue.token, ...(method === "GET" ? {} : { body }) });
			const isRefused = status === 404 || status === 403;
			// What is wrong for every thing says nothing of this one.
			const isBadRequest = status === 422 || status === 400;
			expect([method, path, action, status, isRefused || isBadRequest]).toEqual([method, path, action, status, true]);
			seen += 1;
		}
		expect(seen).toBeGreaterThan(80);
		expect(await json<Run>("GET", `/api/v1/runs/${red.ids.run}`, red)).toEqual(before);
	});

	test("gets the same answer for what another has as for what nobody has", async () => {
		const nothing: Held = {
			...red,
			ids: {
				...{ run: "run_01J00000000000000000000000", job: "job_01J00000000000000000000000", project: "nobodys", secret: "nobodys" },
				...{ pipeline: "ppl_01J00000000000000000000000", schedule: "sch_01J00000000000000000000000", invitation: "nobody" },
				...{ registration: "reg_01J00000000000000000000000", token: "tok_01J00000000000000000000000" },
			},
		};
		const plain = (text: string, { ids }: Held) =>
			Object.values(ids)
				.reduce((found, id) => found.replaceAll(id, "ID"), text)
				.replace(/"(timestamp|request_id)":"[^"]*"/g, "");
		for (const { method, path } of forPeople) {
			const [one, other] = [addressOf(path, red), addressOf(path, nothing)];
			if (one === null || other === null || !path.startsWith("/api/")) continue;
			const answerTo = async (address: string, held: Held) => {
				const answer = await ask(method, address, { token: blue.token, ...(method === "GET" ? {} : { body: {} }) });
				return [method, path, answer.status, plain(await answer.text(), held)];
			};
			expect(await answerTo(one, red)).toEqual(await answerTo(other, nothing));
		}
	});

	test("has nothing of it in any list, page or search", async () => {
		let seen = 0;
		const marks = [...Object.values(red.ids), "red-"];
		for (const { method, path, query } of forPeople) {
			if (method !== "GET" || path.includes(":") || path === "/api/v1/events") continue;
			const asked = query && "project" in query ? `${path}?project=red-secret` : path === "/search" ? `${path}?q=red-secret` : path;
			const answer = await ask("GET", asked, { token: blue.token, headers: { Accept: "text/html, application/json" } });
			const text = (await answer.text()).replaceAll("red-secret", "");
			expect([path, marks.filter((mark) => text.includes(mark))]).toEqual([path, []]);
			seen += 1;
		}
		expect(seen).toBeGreaterThan(25);
	});

	test("may have projects and people of the same names", async () => {
		for (const { token } of [red, blue]) {
			await json("POST", "/api/v1/projects", { token, body: { name: "same" } });
			await json("POST", "/api/v1/people", { token, body: { name: "sam", role: "viewer" } });
		}
	});

	test("does not share public projects' names, and sees what is public", async () => {
		await json("POST", "/api/v1/projects", { ...red, body: { name: "open-red", public: true } });
		const { id } = await json<SubmittedRun>("POST", "/api/v1/runs", { ...red, body: { project: "open-red", pipeline } });
		// Which teams have public projects is known for two seconds.
		await expect.poll(async () => (await ask("GET", `/api/v1/runs/${id}`, { token: null })).status, { timeout: 5_000 }).toBe(200);
		for (const token of [null, blue.token]) {
			expect([token === null, (await ask("GET", `/api/v1/runs/${id}`, { token })).status]).toEqual([token === null, 200]);
			expect((await ask("GET", "/projects/open-red", { token })).status).toBe(200);
			expect((await ask("POST", `/api/v1/runs/${id}/cancel`, { token, body: {} })).status).toBe(token === null ? 401 : 404);
		}
		const taken = await ask("POST", "/api/v1/projects", { ...blue, body: { name: "open-red", public: true } });
		expect([taken.status, ((await taken.json()) as { message: string }).message]).toEqual([409, expect.stringContaining("public")]);
		await json("POST", "/api/v1/projects", { ...blue, body: { name: "open-red" } });
		expect((await ask("PATCH", "/api/v1/projects/open-red", { ...blue, body: { public_badges: true } })).status).toBe(409);
		expect((await ask("GET", "/badge/open-red.svg", { token: null })).status).toBe(200);
	});
});

describe("a team", () => {
	test("is made once: the same request again answers with it, and a name or slug that looks alike does not", async () => {
		const make = (body: object) => ask("POST", "/api/v1/teams", { body });
		const first = await make({ slug: "web-1", name: "Web", admin: "ada" });
		const made = (await first.json()) as CreatedTeam;
		expect([first.status, made]).toEqual([201, expect.objectContaining({ slug: "web-1", name: "Web", people: 0, projects: 0 })]);
		expect(made.invitation?.url).toContain("/join?code=");
		const again = await make({ slug: "web-1", name: "Web", admin: "mallory" });
		expect([again.status, await again.json()]).toEqual([200, { ...made, invitation: null }]);
		const joined = await ask("GET", new URL(made.invitation?.url ?? "").pathname + new URL(made.invitation?.url ?? "").search, {
			token: null,
		});
		expect(joined.status).toBe(200);
		const log = await json<Page<AuditEntry>>("GET", "/api/v1/audit?event=people.manage", { team: "web-1" });
		expect(log.items).toMatchObject([{ actor: "default/admin", details: { name: "ada", role: "admin" } }]);
		expect((await make({ slug: "web-1" })).status).toBe(200);
		for (const body of [{ slug: "web-1", name: "Another" }, { slug: "web-l" }, { slug: "webi" }, { slug: "de-fault" }])
			expect([body, (await make(body)).status]).toEqual([body, 409]);
		for (const slug of ["Web", "web_1", "wéb", "web--1", "-web", "1web", "api", "w", "x".repeat(33), "раураl"])
			expect([slug, (await make({ slug })).status]).toEqual([slug, 422]);
		const renamed = await json<Team>("PATCH", "/api/v1/teams/web-1", { body: { name: "The web" } });
		expect(renamed.name).toBe("The web");
		expect((await ask("PATCH", "/api/v1/teams/nobody", { body: { name: "x" } })).status).toBe(404);
	});

	test("is an operator's alone to make, to see and to enter", async () => {
		for (const [method, path] of [
			["GET", "/api/v1/teams"],
			["POST", "/api/v1/teams"],
			["PATCH", "/api/v1/teams/blue"],
			["POST", "/teams/blue/enter"],
		] as const) {
			const answer = await ask(method, path, { token: red.token, ...(method === "GET" ? {} : { body: { slug: "mine", name: "x" } }) });
			expect([path, answer.status]).toEqual([path, 403]);
		}
		for (const team of ["blue", "nobody", "default"]) {
			const answer = await ask("GET", "/api/v1/runs", { token: red.token, team });
			expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([404, `There is no team ${team}.`]);
		}
		expect((await ask("GET", "/api/v1/runs", { token: red.token, team: "red" })).status).toBe(200);
		expect((await ask("GET", "/api/v1/runs", { team: "nobody" })).status).toBe(404);
	});

	test("gives nobody the role of an operator, no matter who asks", async () => {
		for (const asked of [{ token: red.token }, { team: "red" }]) {
			const body = { name: "too-much", kind: "service", role: "operator", expires_in: "1d" };
			expect((await ask("POST", "/api/v1/tokens", { ...asked, body })).status).toBe(403);
			expect((await ask("POST", "/api/v1/people", { ...asked, body: { name: "too-much", role: "operator" } })).status).toBe(403);
		}
		// Not even a row that says so.
		const { sha256 } = await import("../../worker/identity/digest.ts");
		const secret = "a-token-of-red-that-claims-more-than-it-has";
		await env.DB.prepare(
			"INSERT INTO tokens (id, team, kind, name, hash, created_at, role, expires_at) VALUES ('tok_forged', 'red', 'service', 'forged', ?, 0, 'operator', 8e15)",
		)
			.bind(await sha256(secret))
			.run();
		expect((await json<Caller>("GET", "/api/v1/whoami", { token: secret })).role).toBe("admin");
		expect((await ask("GET", "/api/v1/teams", { token: secret })).status).toBe(403);
	});

	test("has what its operator does in its own audit log, under a name that nobody else has", async () => {
		await json("POST", "/api/v1/projects", { team: "red", body: { name: "by-operator" } });
		const { items } = await json<Page<AuditEntry>>("GET", "/api/v1/audit?event=projects.create", red);
		expect(items.find(({ details }) => details.name === "by-operator")).toMatchObject({ actor: "default/admin", outcome: "done" });
		const own = await json<Page<AuditEntry>>("GET", "/api/v1/audit?event=teams.manage");
		expect(own.items.some(({ details }) => details.team === "red")).toBe(true);
		const { id } = await json<SubmittedRun>("POST", "/api/v1/runs", { team: "red", body: { project: "red-secret", pipeline } });
		expect((await json<Run>("GET", `/api/v1/runs/${id}`, red)).trigger.actor).toBe("default/admin");
		expect((await ask("GET", `/api/v1/runs/${id}`)).status).toBe(404);
	});

	test("has a page for its operator, who sees in which team they act", async () => {
		const projects = await json<Page<Project>>("GET", "/api/v1/projects", { team: "red" });
		expect(projects.items.map(({ name }) => name)).toContain("red-secret");
		const page = await (await ask("GET", "/teams", { headers: { Accept: "text/html" } })).text();
		expect(page).toContain('action="/teams/red/enter"');
		const home = await (await ask("GET", "/", { team: "red", headers: { Accept: "text/html" } })).text();
		expect(home).toMatch(/You act in the team <b>red<\/b>/);
	});

	test("has agents of its own", async () => {
		const { token } = await json<{ token: string }>("POST", "/api/v1/agent-tokens", { ...red, body: {} });
		expect(token.startsWith("wlr.red.")).toBe(true);
		const registration = { name: "of-red", registration_key: "k".repeat(32) };
		const answer = await ask("POST", "/api/v1/agents", { token, body: registration });
		expect(answer.status).toBe(201);
		// The token of another team, with this one's name in it.
		const forged = token.replace("wlr.red.", "wlr.blue.");
		expect((await ask("POST", "/api/v1/agents", { token: forged, body: registration, address: "198.51.100.78" })).status).toBe(401);
		const nobodys = token.replace("wlr.red.", "wlr.nobody.");
		expect((await ask("POST", "/api/v1/agents", { token: nobodys, body: registration, address: "198.51.100.79" })).status).toBe(401);
		// Whether there is a team is no secret's business: the answers are the same, and counted.
		const answers = await Promise.all(
			[`wlr.red.${"x".repeat(40)}`, `wlr.nobody.${"x".repeat(40)}`].map(async (one) => {
				const answer = await ask("GET", "/api/v1/runs", { token: one, address: "198.51.100.80" });
				return [answer.status, ((await answer.json()) as { message: string }).message];
			}),
		);
		expect(answers[0]).toEqual(answers[1]);
		// Their own admins see who has tried.
		const tried = await json<Page<AuditEntry>>("GET", "/api/v1/audit?event=sign_in", blue);
		expect(tried.items.some(({ address, outcome }) => address === "198.51.100.78" && outcome === "refused")).toBe(true);
		const ofDefault = await json<Page<AuditEntry>>("GET", "/api/v1/audit?event=sign_in");
		expect(ofDefault.items.some(({ address }) => address === "198.51.100.78")).toBe(false);
		const list = await json<Page<{ name: string }>>("GET", "/api/v1/agents", blue);
		expect(list.items.map(({ name }) => name)).not.toContain("of-red");
	});
});
