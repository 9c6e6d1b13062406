import type { ArtifactRow, JobRow } from "../../schema/database/tables.ts";
import { ownArtifactPath } from "../../schema/wire/paths.ts";
import type { CoverageTotals, RunTests, TestCase, TestTotals } from "../../schema/wire/resources.ts";
import type { Environment } from "../bindings.ts";
import { findProject } from "../record/projects.ts";
import { findArtifact, type RunRecord } from "../record/runs.ts";
import { readTotals } from "../record/test_totals.ts";
import { readCases } from "./index_tests.ts";
import { flakyTestsOf, pastOfFailures, previousCoverage } from "./store.ts";

/** The tests of a run: the attempts whose results count, taken together. */

const SLOWEST = 10;
/** The history is read for this many failed tests of a job. */
const PASTS = 500;
const MOST_FLAKY = 100;

export interface CaseFilter {
	/** Null: all states. */
	state: TestCase["state"] | "flaky" | null;
	/** How many cases of this state to skip, and how many to return. */
	from: number;
	count: number;
}

/** The tests of a run, job by job: memory holds the cases of one job at a time. */
export async function testsOfRun(environment: Environment, record: RunRecord, filter: CaseFilter): Promise<RunTests> {
	const { run, jobs } = record;
	const totals: TestTotals = { passed: 0, failed: 0, skipped: 0, flaky: 0, duration_ms: 0, truncated: false };
	const found: RunTests = {
		totals,
		items: [],
		next_from: null,
		slowest: [],
		flaky: await flakyTestsOf(environment.DB, run.id),
		coverage: [],
	};
	let seen = 0;
	for (const job of jobs) {
		const attempt = record.attempts.find(({ id }) => id === job.result_attempt);
		const attemptId = job.result_attempt;
		if (attemptId === null) continue;
		if (attempt?.coverage) found.coverage.push(await coverageOf(environment, record, job, JSON.parse(attempt.coverage) as CoverageTotals));
		const stored = await storedCases(environment, run.team, attemptId);
		const cases = stored && (await readCases(environment.BUCKET, stored));
		if (!cases) continue;
		addTotals(totals, attempt?.tests ? readTotals(attempt.tests) : countedAs(cases));
		const pasts = cases.some(({ state }) => state === "failed") ? await pastOfFailures(environment.DB, attemptId, PASTS) : [];
		const pastOf = new Map(pasts.map((past) => [JSON.stringify([past.suite, past.name]), past]));
		for (const one of cases) {
			if (filter.state !== null && (filter.state === "flaky" ? !one.flaky : one.state !== filter.state)) continue;
			seen += 1;
			if (seen <= filter.from) continue;
			if (found.items.length >= filter.count) {
				found.next_from = filter.from + filter.count;
				break;
			}
			const past = pastOf.get(JSON.stringify([one.suite, one.name]));
			const isNew = one.state === "failed" && past !== undefined && past.before !== "failed";
			found.items.push({ ...one, job_id: job.id, job: job.name, newly_failing: isNew, flaky: one.flaky || (past?.isFlaky ?? false) });
		}
		addFlaky(found.flaky, cases);
		const timed = cases.map(({ suite, name, duration_ms }) => ({ suite, name, duration_ms, job_id: job.id, job: job.name }));
		found.slowest = [...found.slowest, ...timed].sort((a, b) => b.duration_ms - a.duration_ms).slice(0, SLOWEST);
	}
	found.slowest = found.slowest.filter(({ duration_ms }) => duration_ms > 0);
	return found;
}

/** The totals of a run's tests, as its attempts reported them; null without a report. */
export function totalsOfRun({ jobs, attempts }: RunRecord): TestTotals | null {
	const counted = attempts.filter(({ id, tests }) => tests !== null && jobs.some(({ result_attempt }) => result_attempt === id));
	if (counted.length === 0) return null;
	const sum: TestTotals = { passed: 0, failed: 0, skipped: 0, flaky: 0, duration_ms: 0, truncated: false };
	for (const { tests } of counted) addTotals(sum, readTotals(tests as string));
	return sum;
}

async function storedCases(environment: Environment, team: string, attemptId: string): Promise<ArtifactRow | null> {
	const row = await findArtifact(environment, team, attemptId, ownArtifactPath("tests"));
	return row?.expired_at === null ? row : null;
}

async function coverageOf(
	environment: Environment,
	{ run }: RunRecord,
	job: JobRow,
	now: CoverageTotals,
): Promise<RunTests["coverage"][number]> {
	const project = await findProject(environment.DB, run.team, run.project);
	const before = await previousCoverage(environment.DB, run, job.name, project?.default_branch ?? null);
	return {
		job_id: job.id,
		job: job.name,
		...now,
		before: before && {
			...(JSON.parse(before.coverage) as CoverageTotals),
			run_id: before.run_id,
			number: before.number,
			branch: before.branch,
		},
	};
}

/** Adds tests that were flaky within one report: the history may not have them yet. */
function addFlaky(flaky: RunTests["flaky"], cases: readonly TestCase[]): void {
	const known = new Set(flaky.map(({ suite, name }) => JSON.stringify([suite, name])));
	for (const { suite, name } of cases.filter((one) => one.flaky)) {
		if (flaky.length >= MOST_FLAKY) return;
		const key = JSON.stringify([suite, name]);
		if (!known.has(key)) flaky.push({ suite, name });
		known.add(key);
	}
}

function addTotals(sum: TestTotals, more: TestTotals): void {
	sum.passed += more.passed;
	sum.failed += more.failed;
	sum.skipped += more.skipped;
	sum.flaky += more.flaky;
	sum.duration_ms += more.duration_ms;
	sum.truncated ||= more.truncated;
}

/** The totals of cases whose results come from an earlier run. */
function countedAs(cases: readonly TestCase[]): TestTotals {
	const count = (state: TestCase["state"]) => cases.filter((one) => one.state === state).length;
	const duration_ms = Math.round(cases.reduce((sum, one) => sum + one.duration_ms, 0));
	const flaky = cases.filter((one) => one.flaky).length;
	return { passed: count("passed"), failed: count("failed"), skipped: count("skipped"), flaky, duration_ms, truncated: false };
}
