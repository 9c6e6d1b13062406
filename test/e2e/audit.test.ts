import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../schema/wire/audit.ts";
import type { Page, Run, SubmittedRun } from "../../schema/wire/resources.ts";
import { ADMIN_TOKEN, Program, type TestCoordinator, temporaryFolder } from "../support/processes.ts";
import { borrowCoordinator } from "../support/shared_coordinators.ts";

const cleanups: (() => void | Promise<void>)[] = [];
const atEnd = (clean: () => void | Promise<void>) => void cleanups.push(clean);
let coordinator: TestCoordinator;

beforeAll(async () => {
	coordinator = await borrowCoordinator(atEnd);
	await coordinator.agent("audited-agent");
});
afterAll(async () => {
	for (const clean of cleanups.reverse()) await clean();
});

const entries = async (query: string) => (await coordinator.get<Page<AuditEntry>>(`/api/v1/audit?${query}`)).items;

async function windlass(...args: string[]): Promise<{ code: number | null; output: string }> {
	const program = new Program(["audit", ...args], { WINDLASS_SERVER: coordinator.url, WINDLASS_API_TOKEN: ADMIN_TOKEN });
	const code = await program.exited;
	return { code, output: program.output };
}

describe("the audit log", () => {
	test("says which job got which secrets, and which agent joined", async () => {
		await coordinator.request("/api/v1/secrets/audited_key", { method: "PUT", body: JSON.stringify({ value: "a secret value" }) });
		const pipeline = { steps: ["true"], secrets: { KEY: "audited_key" } };
		const { id, number } = await coordinator.post<SubmittedRun>("/api/v1/runs", { pipeline });
		const run = await coordinator.get<Run>(`/api/v1/runs/${id}/wait?timeout=60`);
		expect(run.state).toBe("succeeded");
		const [read] = await entries("event=secrets.read");
		expect(read).toMatchObject({ what: `adhoc #${number}`, details: { secrets: "audited_key", job: run.jobs[0]?.id } });
		expect(await entries("event=agents.join&actor=audited-agent")).toMatchObject([{ details: { agent: read?.details.agent } }]);
		expect(JSON.stringify(await entries("limit=200"))).not.toContain("a secret value");
	});

	test("is read, exported and checked by windlass audit, which fails for one that was changed", async () => {
		const listed = await windlass("list", "--event", "secrets.manage");
		expect(listed.output).toContain("PUT /api/v1/secrets/audited_key");
		const checked = await windlass("verify");
		expect(checked).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ entries are in order\.\n(\d+:[0-9a-f]{64})\n$/) });
		const head = checked.output.trim().split("\n").at(-1) ?? "";
		const { output: text } = await windlass("export");
		const file = path.join(temporaryFolder(atEnd), "audit.jsonl");
		writeFileSync(file, text);
		expect(await windlass("verify", "--file", file, "--head", head)).toMatchObject({ code: 0 });
		writeFileSync(file, text.replace("audited_key", "other_key"));
		expect(await windlass("verify", "--file", file)).toMatchObject({ code: 1, output: expect.stringContaining("was changed") });
		expect(await windlass("verify", "--head", "nonsense")).toMatchObject({ code: 2 });
	});
});
