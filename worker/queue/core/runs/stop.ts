import type { JobState, Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import type { JobRow } from "../rows.ts";
import { clearTimer, clearTimers, setTimer } from "../timers.ts";
import { moveJob } from "./transitions.ts";

/**
 * Ends a job from outside: at once if it does not run, through its agent otherwise. The caller
 * handles the consequences.
 */

/** How long after the kill grace an agent may take to end a cancelled job. */
const CANCEL_SLACK_MS = 30_000;

/**
 * Requests the end of a job. A second call changes nothing.
 * @param verb `cancel` ends a waiting job as cancelled, `skip` as skipped
 * @returns its new state; null if the job has ended already
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

/** Deletes the offer of a job that has ended. */
function withdrawOffer(core: Core, jobId: string): void {
	for (const { attempt_id } of core.sql.all<{ attempt_id: string }>("DELETE FROM offers WHERE job_id = ? RETURNING attempt_id", jobId)) {
		clearTimer(core, "offer", attempt_id);
	}
}
