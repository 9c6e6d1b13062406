import { eq, inArray, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type RunRow, runs, tests } from "../../schema/database/tables.ts";
import type { Environment } from "../bindings.ts";
import { listProjects } from "../record/projects.ts";
import { listRuns } from "../record/run_lists.ts";
import { findInFailedLogs, indexFailedLogs, namesOfJobs } from "./failed_logs.ts";

/** One search over runs, commits, projects, tests and the ends of failed logs. */

const SHOWN = 20;
/** Tests that are looked at, newest first. */
const TESTS_SEEN = 50_000;

export interface Found {
	projects: string[];
	runs: RunRow[];
	tests: { project: string; pipeline: string; suite: string; name: string }[];
	logs: { job_id: string; job: string; run: RunRow; line: string }[];
	/** Whether runs are left that this search has not looked at. */
	hasMoreRuns: boolean;
	/** How many failed logs the index does not have yet. */
	toIndex: number;
}

/** What a text finds, the newest first. `web#40` and `#40` name runs. */
export async function search(environment: Environment, team: string, text: string): Promise<Found> {
	const { DB } = environment;
	const [, project = null, number = null] = /^([\w.-]*)#(\d{1,9})$/.exec(text) ?? [];
	const filter = number === null ? { text } : { project: project || null, number: Number(number) };
	const [projects, found, namedTests, logs] = await Promise.all([
		listProjects(DB, team),
		listRuns(DB, team, { ...filter, limit: SHOWN, after: null }),
		number === null ? findTests(DB, team, text) : [],
		number === null ? findLogs(environment, team, text) : { items: [], toIndex: 0 },
	]);
	const words = text.toLowerCase();
	return {
		projects: projects
			.filter(({ name, repository }) => name.toLowerCase().includes(words) || repository?.toLowerCase().includes(words))
			.map(({ name }) => name)
			.slice(0, SHOWN),
		runs: found.rows,
		hasMoreRuns: found.next !== null,
		tests: namedTests,
		logs: logs.items,
		toIndex: logs.toIndex,
	};
}

async function findTests(db: D1Database, team: string, text: string): Promise<Found["tests"]> {
	const d1 = drizzle(db);
	const newest = d1.select().from(tests).where(eq(tests.team, team)).orderBy(sql`${tests.id} DESC`).limit(TESTS_SEEN).as("tests");
	return d1
		.select({ project: newest.project, pipeline: newest.pipeline, suite: newest.suite, name: newest.name })
		.from(newest)
		.where(sql`instr(lower(${newest.suite} || ' ' || ${newest.name}), ${text.toLowerCase()}) > 0`)
		.limit(SHOWN);
}

async function findLogs(environment: Environment, team: string, text: string) {
	const toIndex = await indexFailedLogs(environment, team);
	const found = await findInFailedLogs(environment.DB, team, text, SHOWN);
	const ids = (of: "job_id" | "run_id") => [...new Set(found.map((one) => one[of]))];
	const [names, rows] = await Promise.all([
		namesOfJobs(environment.DB, ids("job_id")),
		drizzle(environment.DB)
			.select()
			.from(runs)
			.where(inArray(runs.id, ids("run_id"))),
	]);
	const byId = new Map(rows.map((row) => [row.id, row]));
	const items = found.flatMap(({ job_id, run_id, line }) => {
		const run = byId.get(run_id);
		return run ? [{ job_id, job: names.get(job_id) ?? "", run, line }] : [];
	});
	return { items, toIndex };
}
