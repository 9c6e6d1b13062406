import { type EventRow, TRANSITIONS_OF_RUN } from "../../schema/database/tables.ts";

/** The recorded transitions of a run and its jobs after a revision, oldest first. */
export async function listEvents(db: D1Database, team: string, runId: string, after: number, limit: number): Promise<EventRow[]> {
	const { results } = await db
		.prepare(`SELECT * FROM (${TRANSITIONS_OF_RUN} AND transitions.team = ?2) WHERE rev > ?3 ORDER BY rev LIMIT ?4`)
		.bind(runId, team, after, limit)
		.all<EventRow>();
	return results;
}

const MOST_WAITS = 2_000;

/**
 * When the jobs of a run were queued and offered (`leased`), oldest first: the first 2,000 recorded
 * times.
 */
export async function listWaits(db: D1Database, team: string, runId: string): Promise<Pick<EventRow, "job_id" | "to_state" | "at">[]> {
	const { results } = await db
		.prepare(
			`SELECT job_id, to_state, at FROM (${TRANSITIONS_OF_RUN} AND transitions.team = ?2)
			WHERE to_state IN ('queued', 'leased') ORDER BY rev LIMIT ${MOST_WAITS}`,
		)
		.bind(runId, team)
		.all<Pick<EventRow, "job_id" | "to_state" | "at">>();
	return results;
}
