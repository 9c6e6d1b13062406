import type { RunRow } from "../../schema/database/tables.ts";

/** The tests that deserve a look: of the newest runs of a project, or of all projects. */

const RUNS_SEEN = 30;
/** Runs that are looked at for those that have results. */
const RUNS_LOOKED_AT = 2_000;
/** Results that are looked at. A project with many tests shows fewer runs. */
const RESULTS_SEEN = 50_000;
const SHOWN = 15;

export interface NotableTest {
	project: string;
	pipeline: string;
	suite: string;
	name: string;
	/** How often it ran, failed, and was flaky. */
	ran: number;
	failed: number;
	flaky: number;
	/** The mean duration in milliseconds. */
	duration_ms: number;
}

export interface ProjectTests {
	/** Tests that fail on the default branch and have passed before. */
	newlyFailing: NotableTest[];
	/** Tests that both passed and failed on one commit, or in one report. */
	flakiest: NotableTest[];
	slowest: NotableTest[];
}

interface Aggregated extends NotableTest {
	passed: number;
	/** Its newest result on the default branch, and when; null without one. */
	newest_state: string | null;
	newest_at: number | null;
}

/** @param project null: all projects */
export async function projectTests(db: D1Database, team: string, project: string | null): Promise<ProjectTests> {
	const newest = await db
		.prepare(
			`SELECT r.id FROM (SELECT id FROM runs WHERE team = ?1 ${project === null ? "" : "AND project = ?2"} ORDER BY id DESC LIMIT ${RUNS_LOOKED_AT}) AS r
			WHERE EXISTS (SELECT 1 FROM test_results AS t WHERE t.run_id = r.id) LIMIT ${RUNS_SEEN}`,
		)
		.bind(...(project === null ? [team] : [team, project]))
		.all<Pick<RunRow, "id">>();
	if (newest.results.length === 0) return { newlyFailing: [], flakiest: [], slowest: [] };
	const { results } = await db
		.prepare(
			`WITH seen AS (
				SELECT r.* FROM json_each(?1) AS asked CROSS JOIN test_results AS r ON r.run_id = asked.value LIMIT ${RESULTS_SEEN}
			), summed AS (
				SELECT test_id, count(*) AS ran, sum(state = 'failed') AS failed, sum(state IN ('passed', 'flaky')) AS passed, avg(duration_ms) AS duration_ms,
					sum(state = 'flaky') + sum(state = 'failed' AND EXISTS (
						SELECT 1 FROM test_results AS p WHERE p.commit_sha = seen.commit_sha AND p.test_id = seen.test_id AND p.state = 'passed')) AS flaky
				FROM seen GROUP BY test_id
			), newest AS (
				SELECT seen.test_id, max(seen.at) AS newest_at, seen.state AS newest_state FROM seen JOIN tests AS t ON t.id = seen.test_id
				LEFT JOIN projects AS p ON p.team = t.team AND p.name = t.project
				WHERE seen.branch = coalesce(p.default_branch, 'main') GROUP BY seen.test_id
			)
			SELECT t.project, t.pipeline, t.suite, t.name, s.*, n.newest_state, n.newest_at
			FROM summed AS s JOIN tests AS t ON t.id = s.test_id LEFT JOIN newest AS n ON n.test_id = s.test_id
			WHERE n.newest_state = 'failed' OR s.flaky > 0 OR s.test_id IN (SELECT test_id FROM summed ORDER BY duration_ms DESC LIMIT ${SHOWN})`,
		)
		.bind(JSON.stringify(newest.results.map(({ id }) => id)))
		.all<Aggregated>();
	const top = (rows: Aggregated[], value: (row: Aggregated) => number) => [...rows].sort((a, b) => value(b) - value(a)).slice(0, SHOWN);
	return {
		newlyFailing: top(
			results.filter(({ newest_state, passed }) => newest_state === "failed" && passed > 0),
			(row) => row.newest_at ?? 0,
		),
		flakiest: top(
			results.filter(({ flaky }) => flaky > 0),
			(row) => row.flaky,
		),
		slowest: top(
			results.filter(({ duration_ms }) => duration_ms > 0),
			(row) => row.duration_ms,
		),
	};
}
