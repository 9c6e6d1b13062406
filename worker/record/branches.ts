import { and, desc, eq, isNull, type SQL } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type RunRow, runs } from "../../schema/database/tables.ts";

/** The state of branches. Pull requests and working copies say nothing about a branch. */

/** How many runs of a branch are read. */
const MAX_BRANCH_RUNS = 100;

interface Branch {
	project: string;
	branch: string;
	/** Null: all pipelines. */
	pipeline: string | null;
}

/** The newest runs of a branch, newest first. */
export async function runsOfBranch(db: D1Database, team: string, { project, branch, pipeline }: Branch, limit: number): Promise<RunRow[]> {
	const isOfBranch: (SQL | undefined)[] = [
		eq(runs.team, team),
		eq(runs.project, project),
		eq(runs.branch, branch),
		eq(runs.kind, "pipeline"),
		isNull(runs.pull_request),
		isNull(runs.source_upload),
		pipeline === null ? undefined : eq(runs.pipeline, pipeline),
	];
	return drizzle(db)
		.select()
		.from(runs)
		.where(and(...isOfBranch))
		.orderBy(desc(runs.id))
		.limit(limit);
}

/** The runs that determine the state of a branch. */
export async function branchState(db: D1Database, team: string, branch: Branch): Promise<RunRow[]> {
	return runsOfNewestCommit(await runsOfBranch(db, team, branch, MAX_BRANCH_RUNS));
}

/**
 * The newest run of each pipeline at the newest commit.
 * Counted are runs of pipeline files and stored pipelines; without those, the newest submitted run.
 * @param newest the runs of one branch, newest first
 */
export function runsOfNewestCommit(newest: readonly RunRow[]): RunRow[] {
	const triggered = newest.filter(({ file }) => file !== null);
	const first = triggered.find(({ commit_sha }) => commit_sha !== null) ?? triggered[0];
	if (!first) return newest.slice(0, 1);
	const ofCommit = triggered.filter((run) => run === first || (first.commit_sha !== null && run.commit_sha === first.commit_sha));
	return [...new Map(ofCommit.reverse().map((run) => [run.pipeline, run])).values()];
}
