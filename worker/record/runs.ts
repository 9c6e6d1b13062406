import { and, asc, desc, eq, gt, inArray, isNotNull, isNull, lt, lte, ne, or, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import {
	type ArtifactRow,
	type AttemptRow,
	artifacts,
	attempts,
	definitions,
	type JobRow,
	jobs,
	type RunRow,
	runs,
} from "../../schema/database/tables.ts";
import type { RunKind } from "../../schema/wire/resources.ts";
import { isTerminal, type JobState, type RunState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";

/** A run with everything under it. */
export interface RunRecord {
	run: RunRow;
	jobs: JobRow[];
	attempts: AttemptRow[];
}

export interface JobRecord {
	job: JobRow;
	attempts: AttemptRow[];
}

/**
 * A run by id: the record if it says that the run is over, the live queue otherwise; and the record once more, for a run that
 * left the queue in between.
 */
export async function findRun(environment: Environment, team: string, id: string): Promise<RunRecord | null> {
	const recorded = await recordedRun(environment.DB, team, id);
	if (recorded && isTerminal(recorded.run.state) && recorded.attempts.every((attempt) => attempt.log_archived === 1)) return recorded;
	const live = await dispatcherOf(environment, team).readRun(id);
	return live ?? recordedRun(environment.DB, team, id);
}

/** A job by id, in the same way. */
export async function findJob(environment: Environment, team: string, id: string): Promise<JobRecord | null> {
	const recorded = await recordedJob(environment.DB, team, id);
	if (recorded && isTerminal(recorded.job.state) && recorded.attempts.every((attempt) => attempt.log_archived === 1)) return recorded;
	const live = await dispatcherOf(environment, team).readJob(id);
	return live ?? recordedJob(environment.DB, team, id);
}

async function recordedRun(db: D1Database, team: string, id: string): Promise<RunRecord | null> {
	const d1 = drizzle(db);
	const [found, jobRows, attemptRows] = await d1.batch([
		d1
			.select()
			.from(runs)
			.where(and(eq(runs.id, id), eq(runs.team, team))),
		d1
			.select()
			.from(jobs)
			.where(and(eq(jobs.run_id, id), eq(jobs.team, team)))
			.orderBy(asc(jobs.position)),
		d1
			.select()
			.from(attempts)
			.where(and(eq(attempts.run_id, id), eq(attempts.team, team)))
			.orderBy(asc(attempts.number)),
	]);
	return found[0] ? { run: found[0], jobs: jobRows, attempts: attemptRows } : null;
}

async function recordedJob(db: D1Database, team: string, id: string): Promise<JobRecord | null> {
	const d1 = drizzle(db);
	const [found, attemptRows] = await d1.batch([
		d1
			.select()
			.from(jobs)
			.where(and(eq(jobs.id, id), eq(jobs.team, team))),
		d1
			.select()
			.from(attempts)
			.where(and(eq(attempts.job_id, id), eq(attempts.team, team)))
			.orderBy(asc(attempts.number)),
	]);
	return found[0] ? { job: found[0], attempts: attemptRows } : null;
}

/** What a run is made of, as it is stored; null if nobody has it. */
export async function findDefinition(environment: Environment, team: string, run: RunRow): Promise<string | null> {
	const [recorded] = await drizzle(environment.DB).select().from(definitions).where(eq(definitions.digest, run.definition));
	return recorded?.json ?? dispatcherOf(environment, team).readDefinition(run.definition);
}

/** An attempt as the record has it; null if it is not there (yet). */
export async function findAttempt(db: D1Database, id: string): Promise<AttemptRow | null> {
	return (await drizzle(db).select().from(attempts).where(eq(attempts.id, id)))[0] ?? null;
}

export interface ListFilter {
	limit: number;
	/** The id of the last item of the page before. */
	after: string | null;
}

/** Runs, newest first; plans only as long as they have not succeeded, and no comparisons, unless they are asked for. */
export async function listRuns(
	db: D1Database,
	team: string,
	filter: ListFilter & { state: RunState | null; project: string | null; branch?: string | null; kind?: RunKind | null },
): Promise<RunRow[]> {
	const where: SQL[] = [eq(runs.team, team)];
	if (filter.kind) where.push(eq(runs.kind, filter.kind));
	// A plan that has done its work says nothing that its runs do not say.
	else where.push(or(eq(runs.kind, "pipeline"), and(eq(runs.kind, "plan"), ne(runs.state, "succeeded"))) as SQL);
	if (filter.state) where.push(eq(runs.state, filter.state));
	if (filter.project) where.push(eq(runs.project, filter.project));
	if (filter.branch) where.push(eq(runs.branch, filter.branch));
	if (filter.after) where.push(lt(runs.id, filter.after));
	return drizzle(db)
		.select()
		.from(runs)
		.where(and(...where))
		.orderBy(desc(runs.id))
		.limit(filter.limit);
}

/** The runs that a plan has made, in the order of its files: each from the record if it is over there, from the live queue otherwise. */
export async function listDiscovered(environment: Environment, { run: plan, jobs: [job] }: RunRecord): Promise<RunRow[]> {
	const recorded = await drizzle(environment.DB)
		.select()
		.from(runs)
		.where(and(eq(runs.team, plan.team), eq(runs.planned_by, plan.id)));
	const known = new Map(recorded.filter(({ state }) => isTerminal(state)).map((row) => [row.id, row]));
	const made = Object.values(JSON.parse(job?.outputs ?? "{}") as Record<string, string>).filter((text) => text.startsWith("run_"));
	const found = await Promise.all(made.map(async (id) => known.get(id) ?? (await findRun(environment, plan.team, id))?.run));
	return found.filter((row) => row !== undefined);
}

/** Runs that repeat a run, oldest first. */
export async function listReruns(db: D1Database, team: string, runId: string): Promise<RunRow[]> {
	return drizzle(db)
		.select()
		.from(runs)
		.where(and(eq(runs.team, team), eq(runs.rerun_of, runId)))
		.orderBy(asc(runs.id))
		.limit(20);
}

/** The newest run of the same pipeline and branch that was over before this one began; null if there is none. */
export async function runBefore(db: D1Database, run: RunRow): Promise<RunRow | null> {
	const isSameBranch = run.branch === null ? isNull(runs.branch) : eq(runs.branch, run.branch);
	const [before] = await drizzle(db)
		.select()
		.from(runs)
		.where(
			and(
				eq(runs.team, run.team),
				eq(runs.project, run.project),
				eq(runs.pipeline, run.pipeline),
				isSameBranch,
				// What somebody runs of a working copy is no word on the branch.
				run.source_upload === null ? isNull(runs.source_upload) : undefined,
				lt(runs.id, run.id),
				// What was ended by somebody, or had nothing to run, says nothing of how the branch stands.
				inArray(runs.state, ["succeeded", "failed", "errored", "timed_out"]),
			),
		)
		.orderBy(desc(runs.id))
		.limit(1);
	return before ?? null;
}

/** How many runs back a branch is looked at. */
const STANDING_RUNS = 100;

/**
 * The runs that say how a branch stands: the newest of each pipeline, or of the one that is meant, at the newest commit for which files of the repository
 * or pipelines that are kept were run. Where there are none of these, the newest run that somebody has submitted. Pull requests, and what was run of a
 * working copy, say nothing of a branch.
 */
export async function branchState(
	db: D1Database,
	team: string,
	{ project, branch, pipeline }: { project: string; branch: string; pipeline: string | null },
): Promise<BranchRun[]> {
	const newest = await drizzle(db)
		.select({ id: runs.id, pipeline: runs.pipeline, state: runs.state, file: runs.file, commit: runs.commit_sha })
		.from(runs)
		.where(
			and(
				eq(runs.team, team),
				eq(runs.project, project),
				eq(runs.branch, branch),
				eq(runs.kind, "pipeline"),
				isNull(runs.pull_request),
				isNull(runs.source_upload),
				pipeline === null ? undefined : eq(runs.pipeline, pipeline),
			),
		)
		.orderBy(desc(runs.id))
		.limit(STANDING_RUNS);
	const kept = newest.filter(({ file }) => file !== null);
	const first = kept.find(({ commit }) => commit !== null) ?? kept[0];
	if (!first) return newest.slice(0, 1);
	const ofCommit = kept.filter((run) => run === first || (first.commit !== null && run.commit === first.commit));
	return [...new Map(ofCommit.reverse().map((run) => [run.pipeline, run])).values()];
}

type BranchRun = Pick<RunRow, "id" | "pipeline" | "state">;

/** The states of a job in these runs, by its id in the pipeline or its name: of each of its variants. */
export async function statesOfJob(db: D1Database, runIds: readonly string[], job: string): Promise<JobState[]> {
	// One parameter, however many there are.
	const isOfRuns = sql`${jobs.run_id} IN (SELECT value FROM json_each(${JSON.stringify(runIds)}))`;
	const rows = await drizzle(db)
		.select({ state: jobs.state })
		.from(jobs)
		.where(and(isOfRuns, or(eq(jobs.key, job), eq(jobs.name, job))));
	return rows.map(({ state }) => state);
}

const USUAL_OF = 5;
const LOOKED_AT = 50;

/**
 * How long the newest runs of a pipeline took that succeeded, in milliseconds: the middle of five; null if there is none. Runs that took results
 * over from an earlier one, or waited for somebody at a gate, say nothing of it.
 */
export async function usualDuration(db: D1Database, run: RunRow): Promise<number | null> {
	const before = await drizzle(db)
		.select({ id: runs.id, pipeline: runs.pipeline, state: runs.state, started_at: runs.started_at, finished_at: runs.finished_at })
		.from(runs)
		.where(and(eq(runs.team, run.team), eq(runs.project, run.project), lt(runs.id, run.id)))
		.orderBy(desc(runs.id))
		.limit(LOOKED_AT);
	const done = before.filter(
		(one) => one.pipeline === run.pipeline && one.state === "succeeded" && one.started_at !== null && one.finished_at !== null,
	);
	const odd = await drizzle(db)
		.selectDistinct({ id: jobs.run_id })
		.from(jobs)
		.where(
			and(
				inArray(
					jobs.run_id,
					done.map(({ id }) => id),
				),
				or(eq(jobs.reason_code, "reused"), isNotNull(jobs.approved_by)),
			),
		);
	const left = new Set(odd.map(({ id }) => id));
	const took = done
		.filter(({ id }) => !left.has(id))
		.slice(0, USUAL_OF)
		.map((one) => (one.finished_at as number) - (one.started_at as number))
		.sort((a, b) => a - b);
	return took[Math.floor(took.length / 2)] ?? null;
}

/** Jobs, newest first. */
export async function listJobs(
	db: D1Database,
	team: string,
	filter: ListFilter & { state: JobState | null; runId: string | null },
): Promise<JobRow[]> {
	const where: SQL[] = [eq(jobs.team, team)];
	if (filter.state) where.push(eq(jobs.state, filter.state));
	if (filter.runId) where.push(eq(jobs.run_id, filter.runId));
	if (filter.after) where.push(lt(jobs.id, filter.after));
	return drizzle(db)
		.select()
		.from(jobs)
		.where(and(...where))
		.orderBy(desc(jobs.id))
		.limit(filter.limit);
}

/** The files of one attempt, by path. They are visible from the moment its finish was taken. */
export async function listArtifacts(environment: Environment, team: string, attemptId: string): Promise<ArtifactRow[]> {
	const live = await dispatcherOf(environment, team).readArtifacts(attemptId);
	if (live) return live;
	return drizzle(environment.DB)
		.select()
		.from(artifacts)
		.where(and(eq(artifacts.attempt_id, attemptId), eq(artifacts.team, team)))
		.orderBy(asc(artifacts.path));
}

/** The one file of an attempt that has this path; null if it has none. */
export async function findArtifact(environment: Environment, team: string, attemptId: string, path: string): Promise<ArtifactRow | null> {
	const live = await dispatcherOf(environment, team).readArtifact(attemptId, path);
	if (live) return live;
	const [row] = await drizzle(environment.DB)
		.select()
		.from(artifacts)
		.where(and(eq(artifacts.attempt_id, attemptId), eq(artifacts.path, path), eq(artifacts.team, team)));
	return row ?? null;
}

/** Runs and jobs whose revision lies in (since, until]; for readers of the feed that fell behind the live queue. */
export async function recordedChanges(
	db: D1Database,
	team: string,
	since: number,
	until: number,
	limit: number,
): Promise<{ runs: RunRow[]; jobs: JobRow[] }> {
	const d1 = drizzle(db);
	const [runRows, jobRows] = await d1.batch([
		d1
			.select()
			.from(runs)
			.where(and(eq(runs.team, team), gt(runs.rev, since), lte(runs.rev, until)))
			.orderBy(asc(runs.rev))
			.limit(limit),
		d1
			.select()
			.from(jobs)
			.where(and(eq(jobs.team, team), gt(jobs.rev, since), lte(jobs.rev, until)))
			.orderBy(asc(jobs.rev))
			.limit(limit),
	]);
	return { runs: runRows, jobs: jobRows };
}
