import { type Core, command } from "./core.ts";
import { claim } from "./leases/claims.ts";
import { withdrawOffer } from "./leases/offers.ts";
import type { AttemptRow, OfferRow } from "./rows.ts";
import { loseAttempt } from "./runs/endings.ts";

/** The queue after its data was restored from a backup. */

/** Higher than any number of changes that somebody may have seen since the backup. */
const REVISIONS_AHEAD = 1_000_000;

/**
 * Ends all leases: agents got them in another life of the coordinator. Their jobs run again as their
 * retry rules say. The revisions go on beyond all that were told before, so that followers miss
 * nothing.
 * @param madeAt when the backup was made
 */
export function endFormerLeases(core: Core, madeAt: string): void {
	command(core, () => {
		core.rev += REVISIONS_AHEAD;
		const reason = { code: "agent_lost", text: `The coordinator was restored from a backup of ${madeAt}.` } as const;
		for (const attempt of core.rows.live<AttemptRow>("attempts")) loseAttempt(core, { ...attempt }, reason);
		for (const offer of core.rows.live<OfferRow>("offers")) {
			// An agent may have begun what it was assigned: that counts as a start.
			if (offer.is_assigned === 1) loseAttempt(core, claim(core, { ...offer }, true), reason);
			else withdrawOffer(core, { ...offer }, false);
		}
	});
}
