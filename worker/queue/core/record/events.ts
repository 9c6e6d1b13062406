import type { EventRow } from "../../../../schema/database/tables.ts";
import type { JobState, Reason, RunState } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";

/**
 * The record of every transition: from, to, why, who, when. It is written in the transaction of the
 * transition, copied to D1 with the rows of the run, and then deleted here.
 */

interface Transition {
	runId: string;
	/** Null for a transition of the run itself. */
	jobId: string | null;
	from: JobState | RunState | null;
	to: JobState | RunState;
	reason: Reason | null;
}

/** Records a transition under the revision of the row that was just written. */
export function recordTransition(core: Core, { runId, jobId, from, to, reason }: Transition): void {
	core.rows.append("events", {
		...{ rev: core.rev, team: core.team, run_id: runId, job_id: jobId, from_state: from, to_state: to },
		...{ reason_code: reason?.code ?? null, reason_text: reason?.text ?? null, actor: core.actor, at: core.now() },
	});
}

/** The transitions of a run that D1 does not have yet, oldest first. */
export function pendingEvents(core: Core, runId: string): EventRow[] {
	return core.sql.all<EventRow>("SELECT * FROM events WHERE run_id = ? ORDER BY rev", runId);
}
