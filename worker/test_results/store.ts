import { and, desc, eq, inArray, isNotNull, lt, notExists, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { attempts, jobs, runs, testResults, tests } from "../../schema/database/tables.ts";
import type { TestCase } from "../../schema/wire/resources.ts";
import { prepareNamed } from "../platform/prepare_named.ts";

/**
 * The history of tests over all runs. A result is compared with results of jobs of the same name,
 * which includes the matrix values: a test that fails on one system only is not flaky.
 */

/** The run, job and attempt of results. */
export interface Tested {
	team: string;
	project: string;
	pipeline: string;
	runId: string;
	jobId: string;
	attemptId: string;
	branch: string | null;
	commit: string | null;
	at: number;
}

type Result = Pick<TestCase, "suite" | "name" | "state" | "flaky" | "duration_ms">;
/** A recorded result. A test that failed and then passed in one report has a state of its own. */
type RecordedState = TestCase["state"] | "flaky";

/** How many results one statement takes, which bounds the size of its parameter. */
const RESULTS_AT_ONCE = 500;

/** Records the results of an attempt. A repeat changes nothing. */
export async function addTestResults(db: D1Database, tested: Tested, results: readonly Result[]): Promise<void> {
	const { team, project, pipeline, runId, jobId, attemptId, branch, commit, at } = tested;
	const merged = mergeSame(results);
	for (let from = 0; from < merged.length; from += RESULTS_AT_ONCE) {
		const json = JSON.stringify(merged.slice(from, from + RESULTS_AT_ONCE));
		await db.batch([
			db
				.prepare(
					`INSERT INTO tests (team, project, pipeline, suite, name) SELECT ?, ?, ?, value ->> 'suite', value ->> 'name' FROM json_each(?)
					WHERE true ON CONFLICT DO NOTHING`,
				)
				.bind(team, project, pipeline, json),
			prepareNamed(
				db,
				`INSERT INTO test_results (test_id, attempt_id, run_id, job_id, branch, commit_sha, state, duration_ms, at)
				SELECT t.id, :attempt, :run, :job, :branch, :commit, value ->> 'state', value ->> 'duration_ms', :at FROM json_each(:json)
				JOIN tests AS t ON t.team = :team AND t.project = :project AND t.pipeline = :pipeline
				AND t.suite = value ->> 'suite' AND t.name = value ->> 'name' WHERE true ON CONFLICT DO NOTHING`,
				{ attempt: attemptId, run: runId, job: jobId, branch, commit, at, json, team, project, pipeline },
			),
		]);
	}
}

/** Merges repeated results of a test in one attempt: the merged state counts, durations add up. */
function mergeSame(results: readonly Result[]) {
	const known = new Map<string, { suite: string; name: string; state: RecordedState; duration_ms: number }>();
	for (const { suite, name, state: result, flaky, duration_ms } of results) {
		const key = JSON.stringify([suite, name]);
		const before = known.get(key);
		const state = flaky && result === "passed" ? "flaky" : result;
		const merged = WORST_FIRST.find((one) => one === before?.state || one === state) ?? state;
		known.set(key, { suite, name, state: merged, duration_ms: Math.round(duration_ms) + (before?.duration_ms ?? 0) });
	}
	return [...known.values()];
}

const WORST_FIRST: readonly RecordedState[] = ["failed", "flaky", "passed", "skipped"];

/** The history of a failed test. */
export interface TestPast {
	suite: string;
	name: string;
	/**
	 * Its previous result in this job, on the same branch if there is one; null without a result.
	 */
	before: RecordedState | null;
	/** Whether it has both passed and failed in this job on this commit. */
	isFlaky: boolean;
}

/** The history of tests that failed in an attempt, for at most `limit` tests. */
export async function pastOfFailures(db: D1Database, attemptId: string, limit: number): Promise<TestPast[]> {
	const { results } = await db
		.prepare(
			`SELECT t.suite, t.name,
				(SELECT b.state FROM test_results AS b JOIN jobs AS bj ON bj.id = b.job_id
					WHERE b.test_id = r.test_id AND bj.name = j.name AND b.run_id <> r.run_id AND b.at < r.at
					ORDER BY b.branch IS NOT r.branch, b.at DESC LIMIT 1) AS before,
				r.commit_sha IS NOT NULL AND EXISTS (SELECT 1 FROM test_results AS s JOIN jobs AS sj ON sj.id = s.job_id
					WHERE s.test_id = r.test_id AND sj.name = j.name AND s.commit_sha = r.commit_sha AND s.state IN ('passed', 'flaky')) AS is_flaky
			FROM test_results AS r JOIN tests AS t ON t.id = r.test_id JOIN jobs AS j ON j.id = r.job_id
			WHERE r.attempt_id = ? AND r.state = 'failed' LIMIT ?`,
		)
		.bind(attemptId, limit)
		.all<{ suite: string; name: string; before: RecordedState | null; is_flaky: number }>();
	return results.map(({ suite, name, before, is_flaky }) => ({ suite, name, before, isFlaky: is_flaky === 1 }));
}

/**
 * Tests of a pipeline that both passed and failed in one job on the commit of a run, in one report
 * or in several runs.
 */
export async function flakyTestsOf(db: D1Database, runId: string): Promise<{ suite: string; name: string }[]> {
	const { results } = await db
		.prepare(
			`SELECT DISTINCT t.suite, t.name FROM test_results AS r JOIN tests AS t ON t.id = r.test_id JOIN jobs AS j ON j.id = r.job_id
			WHERE r.run_id = ? AND r.state <> 'skipped'
			AND (r.state = 'flaky' OR r.commit_sha IS NOT NULL AND EXISTS (SELECT 1 FROM test_results AS s JOIN jobs AS sj ON sj.id = s.job_id
				WHERE s.test_id = r.test_id AND sj.name = j.name AND s.commit_sha = r.commit_sha AND s.state <> 'skipped' AND s.state <> r.state))
			LIMIT 100`,
		)
		.bind(runId)
		.all<{ suite: string; name: string }>();
	return results;
}

/** A result of a test, with its run. */
export interface PastResult {
	run_id: string;
	job_id: string;
	/** The name of the job, with its matrix values. */
	job: string;
	number: number;
	branch: string | null;
	commit_sha: string | null;
	state: TestCase["state"];
	/** Whether it failed and then passed in one report. */
	flaky: boolean;
	duration_ms: number;
	at: number;
}

/** The results of a test, newest first. */
export async function historyOf(
	db: D1Database,
	test: { team: string; project: string; pipeline: string; suite: string; name: string },
	limit: number,
	before: number | null,
): Promise<PastResult[]> {
	const rows = await drizzle(db)
		.select({
			run_id: testResults.run_id,
			job_id: testResults.job_id,
			job: jobs.name,
			number: runs.number,
			branch: testResults.branch,
			commit_sha: testResults.commit_sha,
			state: testResults.state,
			duration_ms: testResults.duration_ms,
			at: testResults.at,
		})
		.from(testResults)
		.innerJoin(tests, eq(tests.id, testResults.test_id))
		.innerJoin(runs, eq(runs.id, testResults.run_id))
		.innerJoin(jobs, eq(jobs.id, testResults.job_id))
		.where(
			and(
				eq(tests.team, test.team),
				eq(tests.project, test.project),
				eq(tests.pipeline, test.pipeline),
				eq(tests.suite, test.suite),
				eq(tests.name, test.name),
				before === null ? undefined : lt(testResults.at, before),
			),
		)
		.orderBy(desc(testResults.at))
		.limit(limit);
	return rows.map(({ state, ...row }) => ({ ...row, state: state === "flaky" ? "passed" : state, flaky: state === "flaky" }));
}

/** The assumed default branches of a project that has none. */
const ASSUMED_DEFAULT_BRANCHES = ["main", "master"];

/**
 * The newest earlier coverage of a job of this name, on the default branch; else on the run's own
 * branch.
 */
export async function previousCoverage(
	db: D1Database,
	run: { team: string; project: string; pipeline: string; branch: string | null; created_at: number },
	jobName: string,
	defaultBranch: string | null,
): Promise<{ coverage: string; run_id: string; number: number; branch: string | null } | null> {
	const newest = (branches: string[]) =>
		drizzle(db)
			.select({ coverage: attempts.coverage, run_id: runs.id, number: runs.number, branch: runs.branch })
			.from(runs)
			.innerJoin(jobs, and(eq(jobs.run_id, runs.id), eq(jobs.name, jobName)))
			.innerJoin(attempts, eq(attempts.id, jobs.result_attempt))
			.where(
				and(
					eq(runs.team, run.team),
					eq(runs.project, run.project),
					eq(runs.pipeline, run.pipeline),
					lt(runs.created_at, run.created_at),
					inArray(runs.branch, branches),
					isNotNull(attempts.coverage),
				),
			)
			.orderBy(desc(runs.id))
			.limit(1);
	const [found] = await newest(defaultBranch === null ? ASSUMED_DEFAULT_BRANCHES : [defaultBranch]);
	const [own] = found || run.branch === null ? [found] : await newest([run.branch]);
	return own ? { ...own, coverage: own.coverage as string } : null;
}

/** Deletes tests without results. */
export async function deleteUnusedTests(db: D1Database): Promise<void> {
	const d1 = drizzle(db);
	await d1.delete(tests).where(notExists(d1.select({ one: sql`1` }).from(testResults).where(eq(testResults.test_id, tests.id))));
}
