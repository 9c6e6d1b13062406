import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import type { Invitation } from "../../schema/wire/people.ts";
import type { Role } from "../../schema/wire/permissions.ts";
import type { ProjectRole } from "../../schema/wire/project_roles.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import type { Caller, CreatedToken } from "../../schema/wire/tokens.ts";
import { ADMIN, withAdmin } from "./admin.ts";

/** People with a greater role in one project than in the team. */

type Headers = Record<string, string>;
const OWN = { Origin: "http://windlass.test" };
const asAdmin: Headers = { Authorization: `Bearer ${ADMIN}` };

async function ask(headers: Headers, method: string, path: string, body?: object): Promise<Response> {
	const init = {
		method,
		headers,
		redirect: "manual",
		cf: { clientIp: "198.51.100.41" },
		...(body && { body: JSON.stringify(body) }),
	} as RequestInit;
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), init));
}
const statusOf = async (headers: Headers, method: string, path: string, body?: object) => (await ask(headers, method, path, body)).status;
const json = async <Body>(headers: Headers, method: string, path: string, body?: object) =>
	(await (await ask(headers, method, path, body)).json()) as Body;

/** Somebody who has joined. @returns the headers of their session */
async function joined(name: string, role: Role): Promise<Headers> {
	const { url } = await json<Invitation>(asAdmin, "POST", "/api/v1/people", { name, role });
	const password = "a password that is long enough";
	const form = new URLSearchParams({ code: new URL(url).searchParams.get("code") ?? "", password, again: password });
	const answer = await exports.default.fetch(
		new Request("http://windlass.test/join", { method: "POST", headers: OWN, body: form.toString(), redirect: "manual" }),
	);
	return { ...OWN, Cookie: answer.headers.get("Set-Cookie")?.split(";")[0] ?? "" };
}

const submission = (project: string) => ({ project, pipeline: { steps: ["true"] } });
const grant = (by: Headers, project: string, person: string, role: string) =>
	ask(by, "PUT", `/api/v1/projects/${project}/roles/${person}`, { role });

let mia: Headers;
let noa: Headers;

withAdmin();
beforeAll(async () => {
	for (const name of ["web", "app"]) await ask(asAdmin, "POST", "/api/v1/projects", { name });
	[mia, noa] = [await joined("mia.p", "viewer"), await joined("noa.p", "viewer")];
	expect((await grant(asAdmin, "web", "mia.p", "maintainer")).status).toBe(200);
});

describe("a role in a project", () => {
	test("opens what it allows there, and nothing elsewhere", async () => {
		for (const path of ["/api/v1/runs", "/api/v1/runs/batch"]) {
			expect([path, await statusOf(noa, "POST", path, submission("web"))]).toEqual([path, 403]);
			expect([path, await statusOf(mia, "POST", path, submission("app"))]).toEqual([path, 403]);
		}
		const { id } = await json<SubmittedRun>(mia, "POST", "/api/v1/runs", submission("web"));
		const other = await json<SubmittedRun>(asAdmin, "POST", "/api/v1/runs", submission("app"));
		const byAdmin = await json<SubmittedRun>(asAdmin, "POST", "/api/v1/runs", submission("web"));
		expect(await statusOf(mia, "POST", `/api/v1/runs/${byAdmin.id}/cancel`)).toBe(200);
		expect(await statusOf(mia, "POST", `/api/v1/runs/${other.id}/cancel`)).toBe(403);
		expect(await statusOf(mia, "POST", `/api/v1/runs/${id}/cancel`)).toBe(200);
		expect(await statusOf(mia, "PATCH", "/api/v1/projects/web", { default_branch: "trunk" })).toBe(200);
		expect(await statusOf(mia, "PATCH", "/api/v1/projects/app", { default_branch: "trunk" })).toBe(403);
		// What a maintainer of the project may not do either, and what is of the whole team.
		for (const [method, path, body] of [
			["DELETE", "/api/v1/projects/web", undefined],
			["PATCH", "/api/v1/projects/web", { public: true }],
			["POST", "/api/v1/projects", { name: "new" }],
			["PUT", "/api/v1/secrets/for_all", { value: "a value" }],
			["PUT", "/api/v1/secrets/of_app", { value: "a value", project: "app" }],
			["POST", "/api/v1/queue/pause", {}],
			["GET", "/api/v1/audit", undefined],
			["POST", "/api/v1/people", { name: "x", role: "viewer" }],
			["PUT", "/api/v1/projects/web/roles/noa.p", { role: "developer" }],
		] as const) {
			expect([method, path, await statusOf(mia, method, path, body)]).toEqual([method, path, 403]);
		}
		// Let in: with a master key it is stored, without one nothing is.
		expect([201, 503]).toContain(await statusOf(mia, "PUT", "/api/v1/secrets/of_web", { value: "a value", project: "web" }));
		const [job] = (await json<Run>(asAdmin, "GET", `/api/v1/runs/${byAdmin.id}`)).jobs;
		expect(await statusOf(mia, "POST", `/jobs/${job?.id}/front`)).toBe(403);
	});

	test("shows on pages the forms of the project alone", async () => {
		const text = await (await ask(mia, "GET", "/projects/web?tab=settings")).text();
		expect([text.includes('action="/projects/web"'), text.includes('href="/new"'), text.includes("/projects/web/delete")]).toEqual([
			true,
			false,
			false,
		]);
		// Who gives roles does that there, too.
		const settings = await (await ask(asAdmin, "GET", "/projects/web?tab=settings")).text();
		expect([settings.includes("Roles in this project"), text.includes("Roles in this project")]).toEqual([true, false]);
		const form = (fields: Record<string, string>) =>
			exports.default.fetch(
				new Request("http://windlass.test/projects/web/roles", {
					...{ method: "POST", redirect: "manual", headers: asAdmin, body: new URLSearchParams(fields).toString() },
				}),
			);
		expect((await form({ person: "noa.p", role: "developer" })).status).toBe(303);
		expect((await form({ person: "noa.p", role: "king" })).status).toBe(422);
		expect(await statusOf(noa, "POST", "/api/v1/runs", submission("web"))).toBe(201);
		expect(await statusOf(asAdmin, "POST", "/projects/web/roles/noa.p/take")).toBe(303);
		expect(await statusOf(noa, "POST", "/api/v1/runs", submission("web"))).toBe(403);
		const elsewhere = await (await ask(mia, "GET", "/projects/app?tab=settings")).text();
		expect(elsewhere).not.toContain('action="/projects/app"');
	});

	test("is on tokens of the person, up to what they allow", async () => {
		expect(await json<Caller>(mia, "GET", "/api/v1/whoami")).toMatchObject({ role: "viewer", project_roles: { web: "maintainer" } });
		const made = async (role: string, more: object = {}) =>
			ask(mia, "POST", "/api/v1/tokens", { name: `mia-${role}`, role, expires_in: "1d", ...more });
		const strong = (await (await made("maintainer")).json()) as CreatedToken;
		const weak = (await (await made("viewer")).json()) as CreatedToken;
		const bearer = ({ token }: CreatedToken) => ({ Authorization: `Bearer ${token}` });
		expect(await statusOf(bearer(strong), "POST", "/api/v1/runs", submission("web"))).toBe(201);
		expect(await statusOf(bearer(strong), "POST", "/api/v1/runs", submission("app"))).toBe(403);
		expect(await statusOf(bearer(weak), "POST", "/api/v1/runs", submission("web"))).toBe(403);
		// Their own are theirs to revoke, whatever the role of the team is.
		expect(await statusOf(mia, "DELETE", `/api/v1/tokens/${strong.id}`)).toBe(204);
		expect((await made("admin")).status).toBe(403);
		expect((await made("maintainer", { name: "bot-of-web", projects: ["web"] })).status).toBe(201);
		expect((await made("maintainer", { name: "bot-of-app", projects: ["app"] })).status).toBe(403);
		expect((await made("developer", { name: "bot-of-both", projects: ["web", "app"] })).status).toBe(403);
	});

	test("is given by admins, also of the project, up to their own, and not to oneself", async () => {
		const ben = await joined("ben.p", "viewer");
		expect((await grant(asAdmin, "web", "ben.p", "admin")).status).toBe(200);
		expect((await grant(ben, "web", "noa.p", "admin")).status).toBe(200);
		expect((await grant(ben, "app", "noa.p", "developer")).status).toBe(403);
		expect((await grant(ben, "web", "ben.p", "viewer")).status).toBe(409);
		expect((await grant(asAdmin, "web", "noa.p", "operator")).status).toBe(422);
		expect((await grant(asAdmin, "web", "nobody", "viewer")).status).toBe(404);
		expect((await grant(asAdmin, "nowhere", "noa.p", "viewer")).status).toBe(404);
		const { items } = await json<Page<ProjectRole>>(ben, "GET", "/api/v1/projects/web/roles");
		expect(items.map(({ person, role, team_role, granted_by }) => [person, role, team_role, granted_by])).toEqual([
			["ben.p", "admin", "viewer", "admin"],
			["mia.p", "maintainer", "viewer", "admin"],
			["noa.p", "admin", "viewer", "ben.p"],
		]);
		const bot = await json<CreatedToken>(ben, "POST", "/api/v1/tokens", {
			name: "bot-of-ben",
			role: "admin",
			expires_in: "1d",
			projects: ["web"],
		});
		const asBot = { Authorization: `Bearer ${bot.token}` };
		expect(await statusOf(asBot, "PATCH", "/api/v1/projects/web", { default_branch: "main" })).toBe(200);
		expect((await grant(asBot, "web", "ben.p", "viewer")).status).toBe(403);
		expect((await ask(ben, "PUT", "/api/v1/sources", {})).status).not.toBe(403);
		expect((await ask(noa, "POST", "/api/v1/pipelines", { name: "of-noa", project: "app", yaml: "steps: [make]" })).status).toBe(403);
		expect((await ask(noa, "POST", "/api/v1/pipelines", { name: "of-noa", project: "web", yaml: "steps: [make]" })).status).toBe(201);
		expect(await statusOf(ben, "DELETE", "/api/v1/projects/web/roles/noa.p")).toBe(204);
		expect(await statusOf(noa, "POST", "/api/v1/runs", submission("web"))).toBe(403);
		expect(await statusOf(ben, "DELETE", "/api/v1/projects/web/roles/noa.p")).toBe(404);
		expect(await statusOf(asAdmin, "DELETE", "/api/v1/projects/web/roles/ben.p")).toBe(204);
		expect(await statusOf(asBot, "GET", "/api/v1/projects/web")).toBe(401);
	});

	test("ends with the project, also for a new one of its name, and with the person", async () => {
		const kim = await joined("kim.p", "viewer");
		await ask(asAdmin, "POST", "/api/v1/projects", { name: "short" });
		await grant(asAdmin, "short", "kim.p", "admin");
		expect(await statusOf(kim, "POST", "/api/v1/runs", submission("short"))).toBe(201);
		expect(await statusOf(asAdmin, "DELETE", "/api/v1/projects/short")).toBe(204);
		await ask(asAdmin, "POST", "/api/v1/projects", { name: "short" });
		expect(await statusOf(kim, "POST", "/api/v1/runs", submission("short"))).toBe(403);
		expect((await json<Page<ProjectRole>>(asAdmin, "GET", "/api/v1/projects/short/roles")).items).toEqual([]);
	});
});
