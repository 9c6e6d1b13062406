import { and, asc, eq, gt, inArray } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type EventRow, events } from "../../schema/database/tables.ts";

/** The recorded transitions of a run and its jobs after a revision, oldest first. */
export async function listEvents(db: D1Database, team: string, runId: string, after: number, limit: number): Promise<EventRow[]> {
	return drizzle(db)
		.select()
		.from(events)
		.where(and(eq(events.run_id, runId), eq(events.team, team), gt(events.rev, after)))
		.orderBy(asc(events.rev))
		.limit(limit);
}

const MOST_WAITS = 2_000;

/**
 * When the jobs of a run were queued and offered (`leased`), oldest first: the first 2,000 recorded
 * times.
 */
export async function listWaits(db: D1Database, team: string, runId: string): Promise<Pick<EventRow, "job_id" | "to_state" | "at">[]> {
	return drizzle(db)
		.select({ job_id: events.job_id, to_state: events.to_state, at: events.at })
		.from(events)
		.where(and(eq(events.run_id, runId), eq(events.team, team), inArray(events.to_state, ["queued", "leased"])))
		.orderBy(asc(events.rev))
		.limit(MOST_WAITS);
}
