import { exports } from "cloudflare:workers";
import { expect, test } from "vitest";
import { timeOfId } from "../../schema/wire/ids.ts";
import type { Run } from "../../schema/wire/resources.ts";
import { ADMIN, withAdmin } from "./admin.ts";

withAdmin();

function ask(method: string, path: string, body: string, type = "application/json"): Promise<Response> {
	const headers = { Authorization: `Bearer ${ADMIN}`, "Content-Type": type };
	return exports.default.fetch(new Request(new URL(path, "http://windlass.test"), { method, headers, body }));
}

async function submitted(text: string): Promise<Run> {
	const response = await ask("POST", "/api/v1/runs", text);
	expect(response.status).toBe(201);
	return response.json();
}

test("equal submissions are different runs of equal jobs", async () => {
	const [one, other] = [await submitted('{"run": "true"}'), await submitted('{"run": "true"}')];
	expect(other.id).not.toBe(one.id);
	expect(other.jobs.map(({ name }) => name)).toEqual(one.jobs.map(({ name }) => name));
});

test("a submission has the repository that its project has now", async () => {
	const text = '{"run": "make", "project": "moved"}';
	expect((await submitted(text)).source).toBeNull();
	await ask("POST", "/api/v1/projects", '{"name": "moved", "repository": "https://git.lan/old.git"}');
	expect((await submitted(text)).source).toMatchObject({ git: "https://git.lan/old.git" });
	await ask("PATCH", "/api/v1/projects/moved", '{"repository": "https://git.lan/new.git", "default_branch": "next"}');
	expect((await submitted(text)).source).toMatchObject({ git: "https://git.lan/new.git", ref: "next" });
});

test("YAML that is not JSON is no JSON, whichever comes first", async () => {
	const text = "run: echo yaml";
	expect((await ask("POST", "/api/v1/runs", text, "application/yaml")).status).toBe(201);
	expect((await ask("POST", "/api/v1/runs", text)).status).toBe(400);
});

test("an id says when it was made", async () => {
	const run = await submitted('{"run": "true"}');
	expect(Math.abs((timeOfId("run", run.id) ?? 0) - Date.parse(run.created_at ?? ""))).toBeLessThan(10_000);
	expect([timeOfId("run", "run_x"), timeOfId("job", run.id), timeOfId("run", `run_${"Z".repeat(26)}`)]).toEqual([null, null, null]);
});
