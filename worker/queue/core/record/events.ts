import { type EventRow, TRANSITIONS_OF_RUN } from "../../../../schema/database/tables.ts";
import type { JobState, Reason, RunState } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";

/**
 * The record of every transition: from, to, why, who, when. It is written at the end of the command,
 * one row for each run, copied to D1 with the rows of the run, and then deleted here.
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
	const transition = [core.rev, jobId, from, to, reason?.code ?? null, reason?.text ?? null, core.actor, core.now()];
	const known = core.transitions.get(runId);
	if (known) known.push(transition);
	else core.transitions.set(runId, [transition]);
}

/** The transitions of a run that D1 does not have yet, oldest first. */
export function pendingEvents(core: Core, runId: string): EventRow[] {
	return core.sql.all<EventRow>(`${TRANSITIONS_OF_RUN} ORDER BY rev`, runId);
}
