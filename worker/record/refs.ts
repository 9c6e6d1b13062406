import { inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type RunRow, runs } from "../../schema/database/tables.ts";

/** The newest run of each branch, or of each pull request, of a project. */

/** The newest runs that are looked at. */
const RUNS_SEEN = 3_000;
const REFS_SHOWN = 100;

export async function newestRuns(db: D1Database, team: string, project: string, by: "branch" | "pull_request"): Promise<RunRow[]> {
	const isOfRef = by === "branch" ? "branch IS NOT NULL AND pull_request IS NULL" : "pull_request IS NOT NULL";
	const { results } = await db
		.prepare(
			`SELECT max(id) AS id FROM (SELECT id, branch, pull_request, kind FROM runs WHERE team = ?1 AND project = ?2 ORDER BY id DESC LIMIT ${RUNS_SEEN})
			WHERE kind = 'pipeline' AND ${isOfRef} GROUP BY ${by} ORDER BY 1 DESC LIMIT ${REFS_SHOWN}`,
		)
		.bind(team, project)
		.all<{ id: string }>();
	const found = await drizzle(db)
		.select()
		.from(runs)
		.where(
			inArray(
				runs.id,
				results.map(({ id }) => id),
			),
		);
	return found.sort((a, b) => (a.id < b.id ? 1 : -1));
}
