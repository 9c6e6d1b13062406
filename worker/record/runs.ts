import { and, asc, desc, eq, getTableColumns, gt, lt, lte, or, type SQL, sql } from "drizzle-orm";
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
import { timeOfId } from "../../schema/wire/ids.ts";
import { isTerminal, type JobState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";

/** A run with its jobs and attempts. */
export interface RunRecord {
	run: RunRow;
	jobs: JobRow[];
	attempts: AttemptRow[];
}

export interface JobRecord {
	job: JobRow;
	attempts: AttemptRow[];
}

/** The queue usually still holds runs that are younger: it is asked before D1. */
const YOUNG_MS = 60 * 60_000;

/**
 * Finds a run by id: in D1 if it has ended there, else in the live queue. A run may leave the queue
 * between the two reads, so D1 is read again. A young run is looked for in the queue first, which
 * saves the reads of D1.
 */
export async function findRun(environment: Environment, team: string, id: string): Promise<RunRecord | null> {
	if (!isYoung("run", id)) {
		const recorded = await recordedRun(environment.DB, team, id);
		if (recorded && isTerminal(recorded.run.state) && areLogsArchived(recorded.attempts)) return recorded;
	}
	const live = await dispatcherOf(environment, team).readRun(id);
	return live ?? recordedRun(environment.DB, team, id);
}

/** Finds a run without its jobs, as the record has it; a new one in the queue. */
export async function findRunRow(environment: Environment, team: string, id: string): Promise<RunRow | null> {
	const [recorded] = await drizzle(environment.DB)
		.select()
		.from(runs)
		.where(and(eq(runs.id, id), eq(runs.team, team)));
	return recorded ?? (await findRun(environment, team, id))?.run ?? null;
}

/** Finds a job by id, in the same way. */
export async function findJob(environment: Environment, team: string, id: string): Promise<JobRecord | null> {
	if (!isYoung("job", id)) {
		const recorded = await recordedJob(environment.DB, team, id);
		if (recorded && isTerminal(recorded.job.state) && areLogsArchived(recorded.attempts)) return recorded;
	}
	const live = await dispatcherOf(environment, team).readJob(id);
	return live ?? recordedJob(environment.DB, team, id);
}

function isYoung(kind: "run" | "job", id: string): boolean {
	const made = timeOfId(kind, id);
	return made !== null && Date.now() - made < YOUNG_MS;
}

function areLogsArchived(found: readonly AttemptRow[]): boolean {
	return found.every((attempt) => attempt.log_archived === 1);
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
			// By the index of the run.
			.where(
				and(
					eq(attempts.run_id, d1.select({ run_id: jobs.run_id }).from(jobs).where(eq(jobs.id, id))),
					eq(attempts.job_id, id),
					eq(attempts.team, team),
				),
			)
			.orderBy(asc(attempts.number)),
	]);
	return found[0] ? { job: found[0], attempts: attemptRows } : null;
}

/** The stored pipeline definition of a run; null if it has been deleted. */
export async function findDefinition(environment: Environment, team: string, run: RunRow): Promise<string | null> {
	const [recorded] = await drizzle(environment.DB).select().from(definitions).where(eq(definitions.digest, run.definition));
	return recorded?.json ?? dispatcherOf(environment, team).readDefinition(run.definition);
}

/** The recorded attempt; null if it is not in D1, or not yet. */
export async function findAttempt(db: D1Database, id: string): Promise<AttemptRow | null> {
	return (await drizzle(db).select().from(attempts).where(eq(attempts.id, id)))[0] ?? null;
}

export interface ListFilter {
	limit: number;
	/** The id of the last item of the previous page. */
	after: string | null;
}

/**
 * The runs that a discovery run created, in the order of its files: from D1 if they have ended
 * there, else from the live queue.
 */
export async function listDiscovered(environment: Environment, { run: discovery, jobs: [job] }: RunRecord): Promise<RunRow[]> {
	const recorded = await drizzle(environment.DB)
		.select()
		.from(runs)
		.where(and(eq(runs.team, discovery.team), eq(runs.discovered_by, discovery.id)));
	const known = new Map(recorded.filter(({ state }) => isTerminal(state)).map((row) => [row.id, row]));
	const made = Object.values(JSON.parse(job?.outputs ?? "{}") as Record<string, string>).filter((text) => text.startsWith("run_"));
	const found = await Promise.all(made.map(async (id) => known.get(id) ?? (await findRun(environment, discovery.team, id))?.run));
	return found.filter((row) => row !== undefined);
}

/** The reruns of a run, oldest first. */
export async function listReruns(db: D1Database, team: string, runId: string): Promise<RunRow[]> {
	return drizzle(db)
		.select()
		.from(runs)
		.where(and(eq(runs.team, team), eq(runs.rerun_of, runId)))
		.orderBy(asc(runs.id))
		.limit(20);
}

/** The states of a job in these runs, by its key or name: one for each matrix job. */
export async function statesOfJob(db: D1Database, runIds: readonly string[], job: string): Promise<JobState[]> {
	// One parameter for any number of runs.
	const isOfRuns = sql`${jobs.run_id} IN (SELECT value FROM json_each(${JSON.stringify(runIds)}))`;
	const rows = await drizzle(db)
		.select({ state: jobs.state })
		.from(jobs)
		.where(and(isOfRuns, or(eq(jobs.key, job), eq(jobs.name, job))));
	return rows.map(({ state }) => state);
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

/** The artifacts of an attempt, by path. They are visible once its result is accepted. */
export async function listArtifacts(environment: Environment, team: string, attemptId: string): Promise<ArtifactRow[]> {
	const live = await dispatcherOf(environment, team).readArtifacts(attemptId);
	if (live) return live;
	return drizzle(environment.DB)
		.select()
		.from(artifacts)
		.where(and(eq(artifacts.attempt_id, attemptId), eq(artifacts.team, team)))
		.orderBy(asc(artifacts.path));
}

/** The recorded artifacts of these attempts, by path. */
export async function listRecordedArtifacts(db: D1Database, team: string, attemptIds: readonly string[]): Promise<ArtifactRow[]> {
	// One parameter for any number of attempts.
	const isOfAttempts = sql`${artifacts.attempt_id} IN (SELECT value FROM json_each(${JSON.stringify(attemptIds)}))`;
	return drizzle(db)
		.select()
		.from(artifacts)
		.where(and(isOfAttempts, eq(artifacts.team, team)))
		.orderBy(asc(artifacts.path));
}

/** The artifacts of all attempts of a run, by path. */
export async function listArtifactsOfRun(environment: Environment, team: string, runId: string): Promise<ArtifactRow[]> {
	const live = await dispatcherOf(environment, team).readArtifactsOfRun(runId);
	if (live) return live;
	return drizzle(environment.DB)
		.select()
		.from(artifacts)
		.where(and(eq(artifacts.run_id, runId), eq(artifacts.team, team)))
		.orderBy(asc(artifacts.path));
}

/** The artifact of an attempt with this path; null if there is none. */
export async function findArtifact(environment: Environment, team: string, attemptId: string, path: string): Promise<ArtifactRow | null> {
	const live = await dispatcherOf(environment, team).readArtifact(attemptId, path);
	if (live) return live;
	const [row] = await drizzle(environment.DB)
		.select()
		.from(artifacts)
		.where(and(eq(artifacts.attempt_id, attemptId), eq(artifacts.path, path), eq(artifacts.team, team)));
	return row ?? null;
}

/**
 * Runs and jobs with a revision in (since, until], for readers of the feed that are behind the live
 * queue.
 */
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
			.select(getTableColumns(jobs))
			.from(runs)
			.innerJoin(jobs, eq(jobs.run_id, runs.id))
			// The run of a job that has left the queue changed last.
			.where(and(eq(runs.team, team), gt(runs.rev, since), gt(jobs.rev, since), lte(jobs.rev, until)))
			.orderBy(asc(jobs.rev))
			.limit(limit),
	]);
	return { runs: runRows, jobs: jobRows };
}
