import type { ResolvedJob } from "../../../../schema/pipeline/resolve/resolved.ts";
import { cleanupSlack } from "../../../../schema/pipeline/runtime/cleanup.ts";
import { type Core, nextRev, PRESENCE_MS } from "../core.ts";
import { quotasOf } from "../quotas.ts";
import { markDirty } from "../record/outbox.ts";
import { type AttemptRow, addRow, findAgent, type JobRow, jobOf, type OfferRow } from "../rows.ts";
import { setTimer, startTimer } from "../timers.ts";
import { definitionOf } from "./definitions.ts";
import { moveJob } from "./transitions.ts";

/**
 * The agent gets this long after the job's own timeout before the queue ends the attempt itself.
 */
const TIMEOUT_SLACK_MS = 30_000;

/**
 * leased → running: the offer becomes an attempt with a full lease, and its number counts from
 * here. The run of the job is not updated: that is the caller's.
 * @param isEnding whether the same command ends it: then it needs no timers
 */
export function beginAttempt(core: Core, offer: OfferRow, isEnding = false): AttemptRow {
	const job = jobOf(core, offer);
	const now = core.now();
	const number = job.attempt + 1;
	// An agent begins an assigned job before the queue hears of it.
	const startedAt = offer.is_assigned === 1 ? offer.made_at : now;
	moveJob(core, job, "start", null, "running", { attempt: number, started_at: job.started_at ?? startedAt });
	deleteOffer(core, offer);
	// A planned stop may have moved the end of an assignment beyond a full lease.
	const deadline = Math.max(now + core.settings.leaseTtlMs, offer.is_assigned === 1 ? offer.expires_at : 0);
	const row: Partial<AttemptRow> = {
		...{ id: offer.attempt_id, team: core.team, rev: nextRev(core), job_id: job.id, run_id: job.run_id, number },
		...{ agent_id: offer.agent_id, agent_name: agentName(core, offer.agent_id), state: "running", started_at: startedAt, steps: "[]" },
		...{ shard: offer.shard, lease_id: offer.lease_id, deadline, log_bytes: 0, log_incomplete: 0, log_archived: 0 },
	};
	const attempt = addRow(core, "attempts", row);
	markDirty(core, job.run_id);
	if (isEnding) {
		core.untimed.add(attempt.id);
		return attempt;
	}
	core.hints.timerSet(deadline);
	startTimer(core, "presence", now + PRESENCE_MS);
	limitTime(core, attempt, job);
	return attempt;
}

/** How long a job may run, in milliseconds: its timeout, or what the operator allows at most, of all teams or of this one. */
export function timeLimitOf(core: Core, { timeout_ms }: Pick<ResolvedJob, "timeout_ms">): number {
	return Math.min(timeout_ms, operatorLimitOf(core));
}

/** How long operators let any job run, in milliseconds. Its steps for the end may take as long once more. */
function operatorLimitOf(core: Core): number {
	return Math.min(core.settings.maxJobMs, quotasOf(core).job_ms ?? Number.POSITIVE_INFINITY);
}

/** A job with no more time for its end than operators allow. */
export function withinLimits<Job extends Pick<ResolvedJob, "finally">>(core: Core, job: Job): Job {
	const most = operatorLimitOf(core);
	return job.finally && job.finally.timeout_ms > most ? { ...job, finally: { ...job.finally, timeout_ms: most } } : job;
}

/** Sets when the queue ends an attempt that its agent does not end in time. */
export function limitTime(core: Core, attempt: AttemptRow, job: JobRow = jobOf(core, attempt)): void {
	const definition = withinLimits(core, definitionOf(core, job));
	const { killGraceMs } = core.settings;
	const slack = killGraceMs + TIMEOUT_SLACK_MS + cleanupSlack(definition, killGraceMs);
	setTimer(core, "job_timeout", attempt.id, core.now() + timeLimitOf(core, definition) + slack);
}

export function deleteOffer(core: Core, offer: OfferRow): void {
	core.rows.delete("offers", offer.attempt_id);
}

/** What an agent is called; its id if it is gone. */
export function agentName(core: Core, agentId: string): string {
	return findAgent(core, agentId)?.name ?? agentId;
}
