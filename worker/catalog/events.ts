import { and, asc, eq, gt } from "drizzle-orm";
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
