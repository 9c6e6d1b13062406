import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { readDefinition } from "../../schema/pipeline/resolve/resolved.ts";
import { MIGRATIONS, migrate } from "../../worker/queue/core/migrations.ts";
import type { Sql } from "../../worker/queue/core/sql.ts";
import { nodeSql } from "../support/node_sql.ts";

/** Data that the schema before `plain words` has stored is found under the new words. */

const BEFORE = 10;
const TRIGGER = {
	...{ kind: "push", ref: "refs/heads/main", branch: "main", tag: null, sha: null, before: null },
	...{ message: null, pull_request: null, actor: "someone" },
};
const DEFINITION = JSON.stringify({
	name: "plan",
	source: null,
	priority: 100,
	jobs: [
		{
			...{ key: "plan", name: "plan", needs: [], runs_on: { labels: [] }, env: {}, timeout_ms: 1, steps: [], artifacts: { save: [] } },
			...{ retry: { attempts: 3, on: ["lost"] } },
			plan: {
				...{ work: { config: null, changes: null }, trigger: TRIGGER, file: null, params: {} },
				...{ is_of_main_line: true, is_replay: false, requires_pipeline: false },
			},
		},
	],
});

/** Inserts a row; columns that are not given and must be are text or 0. */
function insert(sql: Sql, table: string, row: Record<string, string | number | null>): void {
	const columns = sql.all<{ name: string; type: string; notnull: number; dflt_value: string | null }>(
		`SELECT name, type, "notnull", dflt_value FROM pragma_table_info('${table}')`,
	);
	const needed = columns.filter(({ name, notnull, dflt_value }) => name in row || (notnull === 1 && dflt_value === null));
	const values = needed.map(({ name, type }) => row[name] ?? (/int/i.test(type) ? 0 : "-"));
	sql.all(
		`INSERT INTO ${table} (${needed.map(({ name }) => name).join(", ")}) VALUES (${needed.map(() => "?").join(", ")})`,
		...values.slice(0, needed.length),
	);
}

function recordBefore(sql: Sql): void {
	insert(sql, "definitions", { digest: "d1", json: DEFINITION });
	insert(sql, "definitions", { digest: "d2", json: '{"jobs":[{"key":"plan","plan":null}]}' });
	insert(sql, "runs", { id: "run_1", project: "plan", pipeline: "plan", kind: "plan", definition: "d1" });
	insert(sql, "runs", { id: "run_2", project: "plan", pipeline: "plan", planned_by: "run_1", definition: "d2" });
	insert(sql, "jobs", { id: "job_1", run_id: "run_1", key: "plan", name: "plan", reason_code: "run_gate" });
	insert(sql, "jobs", { id: "job_2", run_id: "run_2", key: "plan", name: "plan", reason_code: "gate" });
	insert(sql, "events", { rev: 1, run_id: "run_2", reason_code: "gate" });
	insert(sql, "events", { rev: 2, run_id: "run_2", reason_code: "run_gate" });
}

function expectRecord(sql: Sql): void {
	expect(sql.all("SELECT id, kind, pipeline, discovered_by FROM runs ORDER BY id")).toMatchObject([
		{ id: "run_1", kind: "discovery", pipeline: "discovery", discovered_by: null },
		{ id: "run_2", kind: "pipeline", pipeline: "plan", discovered_by: "run_1" },
	]);
	expect(sql.all("SELECT key, name, reason_code FROM jobs ORDER BY id")).toMatchObject([
		{ key: "discovery", name: "discovery", reason_code: "run_approval" },
		{ key: "plan", name: "plan", reason_code: "approval" },
	]);
	const history = "SELECT t.value ->> 4 AS reason_code FROM transitions CROSS JOIN json_each(list) AS t ORDER BY t.value ->> 0";
	expect(sql.all(history)).toMatchObject([{ reason_code: "approval" }, { reason_code: "run_approval" }]);
	const [found, other] = sql.all<{ json: string }>("SELECT json FROM definitions ORDER BY digest");
	expect(readDefinition(found?.json as string)).toMatchObject({
		name: "discovery",
		jobs: [{ key: "discovery", discovery: { trigger: TRIGGER, is_of_default_branch: true, is_replay: false } }],
	});
	expect(other?.json).toBe('{"jobs":[{"key":"plan","plan":null}]}');
}

test("the queue's storage survives the rename of its words", () => {
	const sql = nodeSql();
	sql.all("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID");
	for (const statement of MIGRATIONS.slice(0, BEFORE).flat()) sql.all(statement);
	insert(sql, "meta", { key: "schema", value: String(BEFORE) });
	recordBefore(sql);
	insert(sql, "lanes", { id: 7, requirements: "{}", project: "web" });
	sql.all("UPDATE jobs SET lane_id = 7, uncounted = 3");
	insert(sql, "refusals", { job_id: "job_2", agent_id: "agt_1", count: 2 });
	insert(sql, "attempts", { id: "att_1", cancel_told: 1 });
	insert(sql, "agents", { id: "agt_1", has_lapsed: 1 });
	insert(sql, "heard_commits", { project: "web", sha: "c0ffee" });
	insert(sql, "schedules", { id: "sch_1", fault: "It is broken." });
	insert(sql, "comparisons", { project: "web", fault: "It is broken, too." });
	insert(sql, "counters", { project: "plans of web", runs: 5 });
	insert(sql, "counters", { project: "comparisons of web", runs: 6 });
	insert(sql, "timers", { kind: "refusal", id: "x" });
	insert(sql, "timers", { kind: "tidy", id: "" });
	const status = { kind: "commit_status", runId: "run_1", project: "plan", sha: "c0ffee", name: "plan (manual)" };
	const effects = [{ kind: "seal", attemptId: "att_1" }, { kind: "take_found_refs", project: "web" }, status];
	for (const effect of effects) insert(sql, "effects", { kind: effect.kind, key: "k", payload: JSON.stringify(effect) });
	for (const name of ["plan", "plan (manual)"]) insert(sql, "shown_statuses", { key: `status plan c0ffee ${name}`, result: "{}" });

	migrate(sql);

	expectRecord(sql);
	const one = (text: string) => sql.all(text)[0];
	expect(one("SELECT p.project, j.snoozes FROM jobs AS j JOIN queue_partitions AS p ON p.id = j.partition_id")).toMatchObject({
		project: "web",
		snoozes: 3,
	});
	expect(one("SELECT count FROM declines")).toMatchObject({ count: 2 });
	expect(one("SELECT cancel_sent FROM attempts")).toMatchObject({ cancel_sent: 1 });
	expect(one("SELECT has_missed_offer FROM agents")).toMatchObject({ has_missed_offer: 1 });
	expect(one("SELECT sha FROM delivered_commits")).toMatchObject({ sha: "c0ffee" });
	expect(one("SELECT s.error, c.error AS other FROM schedules AS s, comparisons AS c")).toMatchObject({
		error: "It is broken.",
		other: "It is broken, too.",
	});
	expect(sql.all("SELECT project, runs FROM counters ORDER BY runs")).toMatchObject([
		{ project: "discovery runs of web", runs: 5 },
		{ project: "comparison runs of web", runs: 6 },
	]);
	expect(sql.all("SELECT kind FROM timers ORDER BY kind")).toMatchObject([{ kind: "decline" }, { kind: "housekeeping" }]);
	const stored = sql.all<{ kind: string; key: string; payload: string }>("SELECT kind, key, payload FROM effects ORDER BY seq");
	expect(stored.map(({ kind, key, payload }) => [kind, key, JSON.parse(payload)])).toEqual([
		["archive_log", "k", { kind: "archive_log", attemptId: "att_1" }],
		["submit_found_refs", "k", { kind: "submit_found_refs", project: "web" }],
		["commit_status", "status plan c0ffee discovery (manual)", { ...status, name: "discovery (manual)" }],
	]);
	expect(sql.all("SELECT key FROM shown_statuses WHERE key LIKE '%discovery%' ORDER BY key")).toMatchObject([
		{ key: "status plan c0ffee discovery" },
		{ key: "status plan c0ffee discovery (manual)" },
	]);
});

test("the record in D1 survives the rename of its words", () => {
	const folder = path.resolve(import.meta.dirname, "../../schema/database/migrations");
	const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
	const sql = nodeSql();
	const apply = (names: readonly string[]) => {
		for (const name of names.toSorted())
			for (const statement of readFileSync(path.join(folder, name), "utf8").split("--> statement-breakpoint")) sql.all(statement);
	};
	const isBefore = (name: string) => name < "0009";
	apply(files.filter(isBefore));
	recordBefore(sql);
	insert(sql, "deliveries", { id: "dlv_1", delivery: "1", verdict: "refused" });
	insert(sql, "deliveries", { id: "dlv_2", delivery: "2", verdict: "accepted" });

	apply(files.filter((name) => !isBefore(name)));

	expectRecord(sql);
	expect(sql.all("SELECT outcome FROM deliveries ORDER BY id")).toMatchObject([{ outcome: "rejected" }, { outcome: "accepted" }]);
});

test("tokens of the version before stay valid as operators', and of two live ones with one name the newest keeps it", () => {
	const folder = path.resolve(import.meta.dirname, "../../schema/database/migrations");
	const files = readdirSync(folder)
		.filter((name) => name.endsWith(".sql"))
		.toSorted();
	const sql = nodeSql();
	const apply = (names: readonly string[]) => {
		for (const name of names)
			for (const statement of readFileSync(path.join(folder, name), "utf8").split("--> statement-breakpoint")) sql.all(statement);
	};
	const isBefore = (name: string) => name < "0022";
	apply(files.filter(isBefore));
	for (const [id, createdAt, revokedAt] of [
		["tok_A", 1, null],
		["tok_B", 2, null],
		["tok_C", 3, 4],
	] as const) {
		const columns = "(id, team, kind, name, hash, created_at, revoked_at)";
		sql.all(`INSERT INTO tokens ${columns} VALUES (?, 'default', 'admin', 'admin', ?, ?, ?)`, id, id, createdAt, revokedAt);
	}
	apply(files.filter((name) => !isBefore(name)));
	expect(sql.all("SELECT id, name, role, projects, expires_at, person_id FROM tokens ORDER BY id")).toMatchObject([
		{ id: "tok_A", name: "admin-tok_a", role: "operator", projects: null, expires_at: null, person_id: null },
		{ id: "tok_B", name: "admin", role: "operator" },
		{ id: "tok_C", name: "admin", role: "operator" },
	]);
});
