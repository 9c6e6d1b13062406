import { env } from "cloudflare:workers";
import { drizzle } from "drizzle-orm/d1";
import { beforeAll, describe, expect, test } from "vitest";
import { type RunRow, runs } from "../../schema/database/tables.ts";
import { firstId } from "../../schema/wire/ids.ts";
import { previousState } from "../../worker/record/earlier_runs.ts";

/** The state before a run, while D1 is behind the queue. */

const BEGIN = Date.UTC(2026, 0, 1);

function runOf(number: number, state: RunRow["state"], change: Partial<RunRow> = {}) {
	return {
		...{ id: firstId("run", BEGIN + number * 1_000), team: "before", rev: number, project: "web", number, pipeline: "ci", state },
		...{ trigger_kind: "api", trigger_actor: "ada", priority: 0, warnings: 0, definition: "d", branch: "main", source_upload: null },
		...{ created_at: BEGIN, ...change },
	};
}

beforeAll(async () => {
	await drizzle(env.DB)
		.insert(runs)
		.values([runOf(1, "failed"), runOf(2, "running")]);
});

describe("the state before a run", () => {
	const stateBefore = (unrecorded: ReturnType<typeof runOf>[]) => previousState(env, runOf(9, "succeeded") as RunRow, unrecorded);

	test("is that of the newest run that D1 knows and that has ended", async () => {
		expect(await stateBefore([])).toBe("failed");
	});

	test("is that of a run that has not reached D1", async () => {
		expect(await stateBefore([runOf(3, "succeeded")])).toBe("succeeded");
	});

	test("is the newest form of a run that D1 has in an older one", async () => {
		expect(await stateBefore([runOf(2, "succeeded")])).toBe("succeeded");
	});

	test.each([
		["of another branch", runOf(3, "succeeded", { branch: "dev" })],
		["of another pipeline", runOf(3, "succeeded", { pipeline: "nightly" })],
		["of another project", runOf(3, "succeeded", { project: "api" })],
		["of a working copy", runOf(3, "succeeded", { source_upload: "src_1" })],
		["that was cancelled", runOf(3, "cancelled")],
	])("is not that of a run %s", async (_, other) => {
		expect(await stateBefore([other])).toBe("failed");
	});
});
