import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { Environment } from "../../worker/bindings.ts";
import worker from "../../worker/index.ts";

/** The route by which the host reads and writes D1. */

async function run(statements: unknown, environment: Partial<Record<keyof Environment, unknown>> = {}) {
	const request = new Request("http://windlass.test/api/v1/host/database", {
		method: "POST",
		headers: { Authorization: `Bearer wlh.${env.HOST_SECRET}`, "Content-Type": "application/json" },
		body: JSON.stringify({ statements }),
	});
	const response = await worker.fetch(request as never, { ...env, ...environment } as Environment);
	return { status: response.status, body: await response.json() };
}

test("answers the rows of each statement, also before the host has finished its start", async () => {
	const statements = [{ sql: "SELECT ? AS one", values: [1] }, { sql: "SELECT 'a' AS text" }];
	const answered = { status: 200, body: { results: [[{ one: 1 }], [{ text: "a" }]] } };
	expect(await run(statements)).toEqual(answered);
	expect(await run(statements, { BOOT_ID: "boot-1" })).toEqual(answered);
});

test("undoes all statements if one of them fails, and says why", async () => {
	const { status, body } = await run([{ sql: "CREATE TABLE half (id INTEGER)" }, { sql: "INSERT INTO nowhere VALUES (1)" }]);
	expect(status).toBe(400);
	expect(body).toMatchObject({ message: expect.stringContaining("no such table: nowhere") });
	expect((await run([{ sql: "SELECT name FROM sqlite_master WHERE name = 'half'" }])).body).toEqual({ results: [[]] });
});
