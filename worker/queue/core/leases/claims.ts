import type { Core } from "../core.ts";
import { type AttemptRow, type OfferRow, offersOfAgent } from "../rows.ts";
import { beginAttempt } from "../runs/begin.ts";
import { updateRun } from "../runs/progress.ts";

/**
 * Claims: the agent has taken an offer, by a request of its own or by naming what it was assigned.
 */

/**
 * The attempt of an offer begins, and its run is updated.
 * @param isEnding whether the same command ends the attempt
 */
export function claim(core: Core, offer: OfferRow, isEnding = false): AttemptRow {
	const attempt = beginAttempt(core, offer, isEnding);
	updateRun(core, attempt.run_id);
	return attempt;
}

/** Begins what an agent was assigned and names as its own. */
export function claimNamed(core: Core, agentId: string, attemptIds: readonly string[]): void {
	if (attemptIds.length === 0) return;
	const own = new Set(attemptIds);
	for (const offer of offersOfAgent(core, agentId)) if (offer.is_assigned === 1 && own.has(offer.attempt_id)) claim(core, offer);
}
