import type { ProjectRow, RunRow } from "../../schema/database/tables.ts";
import { aggregateState, isTerminal, type RunState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { runsOfBranch, runsOfNewestCommit } from "../record/branches.ts";

/** The state of the default branches of projects, at a glance. */

const RUNS_READ = 40;
const BARS = 10;

export interface ProjectStrip {
	project: string;
	branch: string;
	/** The aggregate state of the newest commit; null without runs. */
	state: RunState | null;
	/** The run that determines the state. */
	run: RunRow | null;
	/** What the state comes from, in a few words; null if it needs none. */
	why: string | null;
	/** The newest runs, oldest first. */
	bars: { state: RunState; ms: number | null }[];
	/** The median duration of the successful ones among them, in milliseconds. */
	usualMs: number | null;
}

/** The strips of projects: first those that need a look, then the others, by their newest run. */
export async function stripsOf({ DB }: Environment, team: string, projects: readonly ProjectRow[]): Promise<ProjectStrip[]> {
	const strips = await Promise.all(projects.map((project) => stripOf(DB, team, project)));
	return strips.sort((a, b) => urgency(a) - urgency(b) || (b.run?.created_at ?? 0) - (a.run?.created_at ?? 0));
}

async function stripOf(db: D1Database, team: string, { name, default_branch: branch }: ProjectRow): Promise<ProjectStrip> {
	const newest = await runsOfBranch(db, team, { project: name, branch, pipeline: null }, RUNS_READ);
	const current = runsOfNewestCommit(newest);
	const state = aggregateState(current.map((run) => run.state));
	const run = current.find((one) => one.state === state) ?? null;
	const bars = newest.slice(0, BARS).reverse();
	const took = newest
		.flatMap((one) => (one.state === "succeeded" && isSamePipeline(one, run) ? (durationOf(one) ?? []) : []))
		.sort((a, b) => a - b);
	return {
		project: name,
		branch,
		state,
		run,
		why: run && (await whyOf(db, run)),
		bars: bars.map((one) => ({ state: one.state, ms: durationOf(one) })),
		usualMs: took[Math.floor(took.length / 2)] ?? null,
	};
}

function isSamePipeline(one: RunRow, other: RunRow | null): boolean {
	return other === null || one.pipeline === other.pipeline;
}

function durationOf({ started_at, finished_at }: RunRow): number | null {
	return started_at === null || finished_at === null ? null : finished_at - started_at;
}

const URGENT: readonly string[] = ["failed", "timed_out", "errored", "waiting", "running", "queued"];

function urgency({ state }: ProjectStrip): number {
	const place = URGENT.indexOf(state ?? "");
	return place === -1 ? URGENT.length : place;
}

interface JobsOfRun {
	n: number;
	open: number;
	failed: string | null;
	tests: string | null;
	/** The first job that waits for a person. */
	asked: string | null;
}

/** The first failed job with its failed tests, or how many jobs are left. */
async function whyOf(db: D1Database, run: RunRow): Promise<string | null> {
	if (run.state === "succeeded") return run.warnings > 0 ? `${run.warnings} allowed to fail` : null;
	const found = await db
		.prepare(
			`SELECT count(*) AS n, sum(finished_at IS NULL) AS open,
				(SELECT name FROM jobs WHERE run_id = ?1 AND state IN ('failed', 'errored', 'timed_out') AND allow_failure = 0 ORDER BY position LIMIT 1) AS failed,
				(SELECT a.tests FROM jobs AS j JOIN attempts AS a ON a.id = j.result_attempt
					WHERE j.run_id = ?1 AND j.state = 'failed' AND a.tests IS NOT NULL ORDER BY j.position LIMIT 1) AS tests,
				(SELECT name FROM jobs WHERE run_id = ?1 AND state = 'blocked' AND reason_code = 'approval' ORDER BY position LIMIT 1) AS asked
			FROM jobs WHERE run_id = ?1`,
		)
		.bind(run.id)
		.first<JobsOfRun>();
	if (!found) return run.reason_text;
	if (found.asked !== null) return `${found.asked} waits for an approval`;
	if (!isTerminal(run.state)) return run.reason_text ?? (found.n === 1 ? "its only job runs" : `${found.open} of ${found.n} jobs left`);
	if (found.failed === null) return run.reason_text;
	const tests = found.tests === null ? null : (JSON.parse(found.tests) as { passed: number; failed: number });
	const detail = tests && tests.failed > 0 ? `: ${tests.failed} of ${tests.passed + tests.failed} failed` : " failed";
	return `${found.failed}${detail}`;
}
