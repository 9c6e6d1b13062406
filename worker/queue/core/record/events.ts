import type { EventRow } from "../../../../schema/database/tables.ts";
import type { JobState, Reason, RunState } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { insertInto } from "../sql.ts";

/**
 * The record of every transition: from, to, why, who, when. Written in the transition's own transaction, carried to D1
 * with the run's rows, and gone from here once D1 has it.
 */

interface Transition {
	runId: string;
	/** Null for a transition of the run itself. */
	jobId: string | null;
	from: JobState | RunState | null;
	to: JobState | RunState;
	reason: Reason | null;
}

/** Notes a transition under the revision that its row was just written with. */
export function recordTransition(core: Core, { runId, jobId, from, to, reason }: Transition): void {
	core.sql.all(
		...insertInto("events", {
			...{ rev: core.rev, team: core.team, run_id: runId, job_id: jobId, from_state: from, to_state: to },
			...{ reason_code: reason?.code ?? null, reason_text: reason?.text ?? null, actor: core.actor, at: core.now() },
		}),
	);
}

/** The transitions of a run that D1 does not have yet, oldest first. */
export function pendingEvents(core: Core, runId: string): EventRow[] {
	return core.sql.all<EventRow>("SELECT * FROM events WHERE run_id = ? ORDER BY rev", runId);
}
