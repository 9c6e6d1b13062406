import { and, desc, eq, inArray, isNotNull, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { jobs, projects, type RunRow, runs } from "../../schema/database/tables.ts";
import type { UsualDuration } from "../../schema/wire/resources.ts";
import { isOfSameBranch } from "../record/earlier_runs.ts";

/** How long a run of a pipeline and its jobs usually take. */
export interface UsualDurations {
	/** Null without an earlier success. */
	run: UsualDuration | null;
	/** By the names of the jobs. */
	jobs: ReadonlyMap<string, UsualDuration>;
}

type Place = Pick<RunRow, "id" | "team" | "project" | "pipeline" | "branch">;

const COUNTED_RUNS = 20;
/** So many ended runs are looked at for successful ones. */
const MAX_EARLIER_RUNS = 100;
/** Runs with many jobs count less often. */
const MAX_JOBS = 4_000;

/**
 * The durations of the newest 20 successful runs of the pipeline: those of the branch, or without
 * any those of the default branch. Reruns with reused results and runs with approvals are ignored.
 */
export async function usualDurations(db: D1Database, run: Place): Promise<UsualDurations> {
	const ofBranch = await countedRuns(db, run);
	const counted = ofBranch.length > 0 ? ofBranch : await countedRunsOfDefaultBranch(db, run);
	if (counted.length === 0) return { run: null, jobs: new Map() };
	const ofJobs = await drizzle(db)
		.select({ name: jobs.name, from: jobs.started_at, to: jobs.finished_at })
		.from(jobs)
		.where(
			inArray(
				jobs.run_id,
				counted.map(({ id }) => id),
			),
		)
		.orderBy(desc(jobs.run_id))
		.limit(MAX_JOBS);
	const byName = Map.groupBy(ofJobs, ({ name }) => name);
	const known = [...byName].flatMap(([name, all]) => {
		const usual = usualOf(all);
		return usual === null ? [] : [[name, usual] as const];
	});
	return { run: usualOf(counted), jobs: new Map(known) };
}

interface Took {
	from: number | null;
	to: number | null;
}

/** The successful runs before a run whose durations count, newest first. */
async function countedRuns(db: D1Database, run: Place): Promise<(Took & { id: string })[]> {
	const before = await drizzle(db)
		.select({ id: runs.id, state: runs.state, from: runs.started_at, to: runs.finished_at })
		.from(runs)
		.where(and(...isOfSameBranch(run), lt(runs.id, run.id)))
		.orderBy(desc(runs.id))
		.limit(MAX_EARLIER_RUNS);
	const done = before.filter(({ state, from, to }) => state === "succeeded" && from !== null && to !== null).slice(0, 2 * COUNTED_RUNS);
	if (done.length === 0) return [];
	const ids = done.map(({ id }) => id);
	const odd = await drizzle(db)
		.selectDistinct({ id: jobs.run_id })
		.from(jobs)
		.where(and(inArray(jobs.run_id, ids), or(eq(jobs.reason_code, "reused"), isNotNull(jobs.approved_by))));
	const left = new Set(odd.map(({ id }) => id));
	return done.filter(({ id }) => !left.has(id)).slice(0, COUNTED_RUNS);
}

async function countedRunsOfDefaultBranch(db: D1Database, run: Place): Promise<(Took & { id: string })[]> {
	const [project] = await drizzle(db)
		.select({ branch: projects.default_branch })
		.from(projects)
		.where(and(eq(projects.team, run.team), eq(projects.name, run.project)));
	return !project || project.branch === run.branch ? [] : countedRuns(db, { ...run, branch: project.branch });
}

/** The durations that half and nine tenths of these stay within; null without any. */
function usualOf(took: readonly Took[]): UsualDuration | null {
	const sorted = took.flatMap(({ from, to }) => (from === null || to === null ? [] : [to - from])).sort((a, b) => a - b);
	const within = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
	return sorted.length === 0 ? null : { p50_ms: within(0.5), p90_ms: within(0.9), counted: sorted.length };
}
