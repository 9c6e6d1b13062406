import { cleanupSlack } from "../../../../schema/pipeline/runtime/cleanup.ts";
import type { JobState, Reason } from "../../../../schema/wire/states.ts";
import { type Core, nextRev } from "../core.ts";
import { markDirty } from "../record/outbox.ts";
import { type AttemptRow, changeRow, findJob, findOfferOf, type JobRow } from "../rows.ts";
import { clearTimers, setTimer } from "../timers.ts";
import { beginAttempt, deleteOffer } from "./begin.ts";
import { definitionOf } from "./definitions.ts";
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
	// An assigned job may have begun: it is ended by way of its agent.
	const offer = job.state === "leased" ? findOfferOf(core, job.id) : undefined;
	if (offer?.is_assigned === 1) {
		beginAttempt(core, offer);
		Object.assign(job, findJob(core, job.id));
	}
	const from = job.state;
	const next = moveJob(core, job, from === "running" ? "cancel" : verb, reason);
	if (next === "cancelling") {
		const attempt = core.rows.live<AttemptRow>("attempts").find((one) => one.job_id === job.id && one.state === "running");
		if (!attempt) throw new Error(`running job ${job.id} has no live attempt`);
		changeRow(core, "attempts", attempt.id, { state: "cancelling", rev: nextRev(core) });
		markDirty(core, job.run_id);
		core.hints.agentsWithNews.add(attempt.agent_id);
		core.untimed.delete(attempt.id);
		const { killGraceMs } = core.settings;
		const cleaning = cleanupSlack(definitionOf(core, job), killGraceMs);
		setTimer(core, "cancel", attempt.id, core.now() + killGraceMs + CANCEL_SLACK_MS + cleaning);
	} else if (next !== null) {
		if (offer) deleteOffer(core, offer);
		clearTimers(core, ["backoff", "approval"], job.id);
	}
	return next;
}
