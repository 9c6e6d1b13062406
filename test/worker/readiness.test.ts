import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Environment } from "../../worker/bindings.ts";
import { sha256 } from "../../worker/identity/digest.ts";
import worker from "../../worker/index.ts";

/** What a monitor and everybody else are told before the coordinator can answer for itself. */

const TOKEN = "an-admin-token-for-tests-that-nobody-guesses";

async function ask(path: string, changes: Partial<Record<keyof Environment, unknown>> = {}, token = TOKEN, method = "GET") {
	const request = new Request(`http://windlass.test${path}`, {
		method,
		headers: path.startsWith("/api/") ? { Authorization: `Bearer ${token}` } : {},
	});
	const response = await worker.fetch(request as never, { ...env, ...changes } as Environment);
	const { message, problems } = (response.status === 204 ? {} : await response.json()) as { message?: string; problems?: string[] };
	return { status: response.status, message, problems };
}

/** A D1 of which every question fails. */
const failing = (message: string) => ({
	prepare: () => ({ bind: () => ({ first: () => Promise.reject(new Error(`D1_ERROR: ${message}: SQLITE_ERROR`)) }) }),
});

describe("a D1", () => {
	test("that has no migration yet is being prepared; one that is broken is not, and the log says so", async () => {
		const logged = vi.spyOn(console, "error").mockImplementation(() => undefined);
		expect(await ask("/readyz", { DB: failing("no such table: d1_migrations") })).toMatchObject({
			status: 503,
			message: expect.stringContaining("does not have the migration"),
		});
		expect(logged).not.toHaveBeenCalled();
		expect(await ask("/readyz", { DB: failing("database disk image is malformed") })).toMatchObject({
			status: 503,
			message: "The coordinator's database (D1) does not answer.",
		});
		expect(JSON.parse(String(logged.mock.calls[0]?.[0]))).toMatchObject({ level: "error", error: expect.stringContaining("malformed") });
		logged.mockRestore();
	});
});

describe("/readyz", () => {
	beforeEach(async () => {
		await env.DB.prepare("DELETE FROM tokens").run();
	});
	const addToken = async () => {
		const insert = "INSERT INTO tokens (id, team, kind, name, hash, created_at) VALUES ('tok_1', 'default', 'admin', 'admin', ?, 0)";
		await env.DB.prepare(insert)
			.bind(await sha256(TOKEN))
			.run();
	};

	test("says what keeps a valid request from succeeding: no admin token, no signing key", async () => {
		expect(await ask("/readyz")).toMatchObject({ status: 503, problems: ["no admin token exists"] });
		await addToken();
		expect(await ask("/readyz")).toMatchObject({ status: 200, problems: [] });
		expect(await ask("/readyz", { SIGNING_KEY: undefined })).toMatchObject({
			status: 503,
			problems: [expect.stringContaining("SIGNING_KEY is not set")],
		});
	});

	test("and every other request get 503 until the host has finished its start, so that no valid token is called wrong", async () => {
		const boot = { BOOT_ID: "boot-1" };
		expect(await ask("/readyz", boot)).toMatchObject({ status: 503, message: "The coordinator is starting." });
		expect(await ask("/api/v1/runs", boot)).toMatchObject({ status: 503 });
		expect(await ask("/healthz", boot)).toMatchObject({ status: 200 });
		await addToken();
		expect(await ask("/api/v1/host/prepare", boot, `wlh.${env.HOST_SECRET}`, "POST")).toMatchObject({ status: 204 });
		expect(await ask("/readyz", boot)).toMatchObject({ status: 200 });
		expect(await ask("/api/v1/runs", boot)).toMatchObject({ status: 200 });
		expect(await ask("/readyz", { BOOT_ID: "boot-2" })).toMatchObject({ status: 503 });
	});
});
