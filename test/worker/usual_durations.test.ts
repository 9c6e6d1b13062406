import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import { firstId } from "../../schema/wire/ids.ts";
import { usualDurations } from "../../worker/estimates/service.ts";

/** Durations of earlier runs, over a history that is written straight into D1. */

const TEAM = "estimates";
const BEGIN = Date.UTC(2026, 1, 1);
const idOf = (kind: "run" | "job", index: number) => `${firstId(kind, BEGIN).slice(0, -8)}${String(index).padStart(8, "0")}`;

interface Written {
	index: number;
	branch: string;
	ms: number;
	state?: string;
	pipeline?: string;
	reason?: string;
}

async function write({ index, branch, ms, state = "succeeded", pipeline = "ci", reason }: Written): Promise<void> {
	await env.DB.prepare(
		`INSERT INTO runs (id, team, rev, project, number, pipeline, state, trigger_kind, trigger_actor, priority, warnings, definition, branch,
			created_at, started_at, finished_at) VALUES (?, ?, 1, 'web', ?, ?, ?, 'api', 'ada', 0, 0, 'd', ?, ?, ?, ?)`,
	)
		.bind(idOf("run", index), TEAM, index, pipeline, state, branch, BEGIN, BEGIN, BEGIN + ms)
		.run();
	await env.DB.prepare(
		`INSERT INTO jobs (id, team, rev, run_id, key, name, position, state, reason_code, needs, runs_on, allow_failure, attempt, created_at, started_at, finished_at)
		VALUES (?, ?, 1, ?, 'test', 'test', 0, ?, ?, '[]', '{}', 0, 1, ?, ?, ?)`,
	)
		.bind(idOf("job", index), TEAM, idOf("run", index), state, reason ?? null, BEGIN, BEGIN, BEGIN + ms / 2)
		.run();
}

const next = (branch: string) => ({ id: idOf("run", 9999), team: TEAM, project: "web", pipeline: "ci", branch });

beforeAll(async () => {
	await env.DB.prepare(
		"INSERT INTO projects (id, team, name, default_branch, created_at, updated_at) VALUES ('prj_estimates', ?, 'web', 'main', ?, 0)",
	)
		.bind(TEAM, BEGIN)
		.run();
	// Thirty successes on main, 1 to 30 s: the newest twenty took 11 to 30 s.
	for (let index = 1; index <= 30; index += 1) await write({ index, branch: "main", ms: index * 1000 });
	await write({ index: 40, branch: "main", ms: 1, state: "failed" });
	await write({ index: 41, branch: "main", ms: 1, reason: "reused" });
	await write({ index: 42, branch: "main", ms: 1, pipeline: "other" });
	await write({ index: 50, branch: "dev", ms: 100_000 });
});

test("the last twenty successes of the branch count, without failures and reused results", async () => {
	const { run, jobs } = await usualDurations(env.DB, next("main"));
	expect(run).toEqual({ p50_ms: 20_000, p90_ms: 28_000, counted: 20 });
	expect([...jobs]).toEqual([["test", { p50_ms: 10_000, p90_ms: 14_000, counted: 20 }]]);
});

test("a branch with a success has its own durations; a branch without one has those of the default branch", async () => {
	expect((await usualDurations(env.DB, next("dev"))).run).toEqual({ p50_ms: 100_000, p90_ms: 100_000, counted: 1 });
	expect((await usualDurations(env.DB, next("new"))).run).toEqual({ p50_ms: 20_000, p90_ms: 28_000, counted: 20 });
});

test("the first run of a pipeline has no estimate", async () => {
	expect(await usualDurations(env.DB, { ...next("main"), pipeline: "first" })).toEqual({ run: null, jobs: new Map() });
});
