import { and, desc, eq, inArray, isNotNull, isNull, lt, notInArray, or, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { jobs, type RunRow, runs } from "../../schema/database/tables.ts";
import { isTerminal, type RunState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { findRun } from "./runs.ts";

/** What the runs before a run say: their states, and how long they usually take. */

function isOfSameBranch(run: RunRow): SQL[] {
	const isSameBranch = run.branch === null ? isNull(runs.branch) : eq(runs.branch, run.branch);
	return [eq(runs.team, run.team), eq(runs.project, run.project), eq(runs.pipeline, run.pipeline), isSameBranch];
}

/** Earlier runs of the same pipeline and branch that have ended, newest first. */
export async function listEarlier(db: D1Database, run: RunRow, limit: number): Promise<RunRow[]> {
	return drizzle(db)
		.select()
		.from(runs)
		.where(and(...isOfSameBranch(run), lt(runs.id, run.id), isNotNull(runs.finished_at)))
		.orderBy(desc(runs.id))
		.limit(limit);
}

/** How many earlier runs are looked at for one that has ended. */
const MAX_PREVIOUS_RUNS = 50;

/**
 * The state of the newest earlier run of the same pipeline and branch that has ended; null if there
 * is none. The record may be a moment behind: the queue is asked for runs that have not ended there.
 * @param unrecorded earlier runs that the record may not even have, as the queue has them
 */
export async function previousState(
	environment: Environment,
	run: RunRow,
	unrecorded: readonly Pick<RunRow, "id" | "state" | "project" | "pipeline" | "branch" | "source_upload">[],
): Promise<RunState | null> {
	const recorded = await drizzle(environment.DB)
		.select({ id: runs.id, state: runs.state })
		.from(runs)
		.where(
			and(
				...isOfSameBranch(run),
				// Runs of a working copy say nothing about the branch.
				run.source_upload === null ? isNull(runs.source_upload) : undefined,
				lt(runs.id, run.id),
				// Cancelled and empty runs say nothing about the branch.
				notInArray(runs.state, ["cancelled", "skipped"]),
			),
		)
		.orderBy(desc(runs.id))
		.limit(MAX_PREVIOUS_RUNS);
	const ofSameBranch = unrecorded.filter(
		(one) =>
			one.project === run.project &&
			one.pipeline === run.pipeline &&
			one.branch === run.branch &&
			(run.source_upload !== null || one.source_upload === null),
	);
	const newest = new Map([...recorded, ...ofSameBranch].map(({ id, state }) => [id, state]));
	for (const [id, last] of [...newest].sort(([a], [b]) => (a < b ? 1 : -1))) {
		const state = isTerminal(last) ? last : (await findRun(environment, run.team, id))?.run.state;
		if (state && RESULTS.has(state)) return state;
	}
	return null;
}

const RESULTS: ReadonlySet<RunState> = new Set(["succeeded", "failed", "errored", "timed_out"]);

const USUAL_OF = 5;
const MAX_EARLIER_RUNS = 50;

/**
 * The median durations of the newest five successful runs of a pipeline and of their jobs. Reruns with reused results and runs with approvals are ignored.
 */
export async function usualDurations(db: D1Database, run: RunRow): Promise<UsualDurations> {
	const before = await drizzle(db)
		.select({ id: runs.id, pipeline: runs.pipeline, state: runs.state, started_at: runs.started_at, finished_at: runs.finished_at })
		.from(runs)
		.where(and(eq(runs.team, run.team), eq(runs.project, run.project), lt(runs.id, run.id)))
		.orderBy(desc(runs.id))
		.limit(MAX_EARLIER_RUNS);
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
	const counted = done.filter(({ id }) => !left.has(id)).slice(0, USUAL_OF);
	const runMs = median(counted.map((one) => (one.finished_at as number) - (one.started_at as number)));
	const ofJobs = await drizzle(db)
		.select({ name: jobs.name, started_at: jobs.started_at, finished_at: jobs.finished_at })
		.from(jobs)
		.where(
			inArray(
				jobs.run_id,
				counted.map(({ id }) => id),
			),
		);
	const ended = ofJobs.filter(({ started_at, finished_at }) => started_at !== null && finished_at !== null);
	const byName = Map.groupBy(ended, ({ name }) => name);
	const jobsMs = new Map(
		[...byName].map(([name, all]) => [name, median(all.map((one) => (one.finished_at as number) - (one.started_at as number))) as number]),
	);
	return { runMs, jobsMs };
}

/** How long a run of a pipeline and its jobs usually take, in milliseconds. */
export interface UsualDurations {
	/** Null without an earlier success. */
	runMs: number | null;
	/** By the names of the jobs. */
	jobsMs: ReadonlyMap<string, number>;
}

function median(values: readonly number[]): number | null {
	return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
}
