import { readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { trivialRequest } from "./floors.ts";
import { livesOf } from "./lives.ts";
import type { Part } from "./part.ts";
import { latencyRow, type Row, timesFloor } from "./table.ts";
import { onTarget, type Target } from "./target.ts";
import { repeated } from "./timing.ts";

const HISTORY = [0, 100_000, 1_000_000];
const QUEUED = 10_000;
const JOBS = 1_000;
const LISTS = 100;

/** Whether what was before slows what is now. */
export const history: Part = {
	title: "History",
	measure: async (folder) => {
		const rows: Row[] = [];
		const data = path.join(folder, "data");
		await onTarget(data, ["--no-agent"], async () => undefined);
		let recorded = 0;
		for (const runs of HISTORY) {
			addHistory(data, recorded, runs);
			recorded = runs;
			rows.push(...(await onTarget(data, ["--no-agent"], (target) => measureWith(target, `${runs.toLocaleString("en")} runs of history`))));
		}
		await onTarget(data, ["--no-agent"], async (target) => {
			for (let queued = 0; queued < QUEUED; queued += 1_000) await queueForNobody(target);
			rows.push(...(await measureWith(target, `${QUEUED.toLocaleString("en")} jobs that no agent can take`)));
		});
		return { rows, memory: [] };
	},
};

async function measureWith(target: Target, what: string): Promise<Row[]> {
	const floor = await trivialRequest(target, 20, 3_000);
	const lists = await repeated(LISTS, () => target.get("/api/v1/runs"));
	const [submitted, ended] = await livesOf(target, 4, floor, JOBS, what.replaceAll(/\W/g, "-"));
	const named = ([, ...cells]: Row, action: string): Row => [`${what}: ${action}`, ...cells];
	return [
		named(submitted as Row, "submit"),
		named(ended as Row, "take and end"),
		latencyRow(`${what}: list runs`, lists, timesFloor(lists, floor)),
	];
}

async function queueForNobody(target: Target): Promise<void> {
	const lines = Array.from({ length: 1_000 }, () => JSON.stringify({ run: "true", runs_on: ["nowhere"] }));
	await target.send("/api/v1/runs/batch", { method: "POST", bytes: Buffer.from(lines.join("\n")) });
}

/** Writes ended runs with their jobs, attempts and transitions straight into D1. */
export function addHistory(data: string, from: number, to: number): void {
	if (to === from) return;
	const folder = path.join(data, "storage", "d1", "miniflare-D1DatabaseObject");
	const file = readdirSync(folder).find((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite");
	const database = new DatabaseSync(path.join(folder, file ?? ""));
	const numbers = `WITH RECURSIVE n(i) AS (SELECT ${from + 1} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})`;
	const id = (kind: string) => `printf('${kind}_01JDV9ZQ%018d', i)`;
	const at = `1700000000000 + i * 1000`;
	database.exec("PRAGMA synchronous = OFF; BEGIN");
	database.exec(`${numbers} INSERT INTO runs (id, team, rev, project, number, pipeline, state, trigger_kind, trigger_actor, priority, warnings,
			definition, created_at, started_at, finished_at, branch, kind)
		SELECT ${id("run")}, 'default', -i, 'history-' || (i % 20), i, 'main', iif(i % 7 = 0, 'failed', 'succeeded'), 'api', 'bench', 0, 0,
			'none', ${at}, ${at}, ${at} + 5000, 'main', 'pipeline' FROM n`);
	database.exec(`${numbers} INSERT INTO jobs (id, team, rev, run_id, position, key, name, state, needs, runs_on, attempt, created_at, queued_at,
			started_at, finished_at)
		SELECT ${id("job")}, 'default', -i, ${id("run")}, 0, 'main', 'main', iif(i % 7 = 0, 'failed', 'succeeded'), '[]', '{"labels":[]}', 1,
			${at}, ${at}, ${at}, ${at} + 5000 FROM n`);
	database.exec(`${numbers} INSERT INTO attempts (id, team, rev, job_id, run_id, number, agent_id, agent_name, state, started_at, finished_at, shard,
			log_bytes, log_incomplete, log_archived, steps)
		SELECT ${id("att")}, 'default', -i, ${id("job")}, ${id("run")}, 1, 'agt_bench', 'bench', iif(i % 7 = 0, 'failed', 'succeeded'),
			${at}, ${at} + 5000, 0, 0, 0, 1, '[]' FROM n`);
	database.exec(`${numbers} INSERT INTO transitions (run_id, rev, team, list) SELECT ${id("run")}, -i, 'default', '[]' FROM n`);
	database.exec("COMMIT");
	database.close();
}
