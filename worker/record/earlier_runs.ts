import { and, desc, eq, isNotNull, isNull, lt, notInArray, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type RunRow, runs } from "../../schema/database/tables.ts";
import { isTerminal, type RunState } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { findRun } from "./runs.ts";

/** What the runs before a run say. */

/** The runs of the same pipeline and branch. */
export function isOfSameBranch(run: Pick<RunRow, "team" | "project" | "pipeline" | "branch">): SQL[] {
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
