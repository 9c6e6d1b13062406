import type { JobState, Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import type { JobRow } from "../rows.ts";
import { clearTimer, clearTimers, setTimer } from "../timers.ts";
import { moveJob } from "./transitions.ts";

/** Ending a job from outside: at once while nothing runs, by way of its agent otherwise. What follows from its end is the caller's. */

/** How long beyond the kill grace an agent may take to end a cancelled job. */
const CANCEL_SLACK_MS = 30_000;

/**
 * Asks for the end of a job. A second time changes nothing.
 * @param verb `cancel` ends what waits as cancelled, `skip` as skipped
 * @returns its new state; null if there was nothing left to end
 */
export function stopJob(core: Core, job: JobRow, verb: "cancel" | "skip", reason: Reason): JobState | null {
	const from = job.state;
	const next = moveJob(core, job, from === "running" ? "cancel" : verb, reason);
	if (next === "cancelling") {
		const [attempt] = core.sql.all<{ id: string }>(
			"UPDATE attempts SET state = 'cancelling', rev = ? WHERE job_id = ? AND state = 'running' RETURNING id",
			nextRev(core),
			job.id,
		);
		if (!attempt) throw new Error(`running job ${job.id} has no live attempt`);
		markDirty(core, attempt.id, job.run_id);
		setTimer(core, "cancel", attempt.id, core.now() + core.settings.killGraceMs + CANCEL_SLACK_MS);
	} else if (next !== null) {
		if (from === "leased") withdrawOffer(core, job.id);
		clearTimers(core, ["backoff", "approval"], job.id);
	}
	return next;
}

/** Removes a job's offer when the job has ended under it. */
function withdrawOffer(core: Core, jobId: string): void {
	for (const { attempt_id } of core.sql.all<{ attempt_id: string }>("DELETE FROM offers WHERE job_id = ? RETURNING attempt_id", jobId)) {
		clearTimer(core, "offer", attempt_id);
	}
}
