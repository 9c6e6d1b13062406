/** How long the answer to a poll may travel. */
const ANSWER_MS = 15_000;
/** An agent that polls as late as it may is not silent yet. */
const MARGIN_MS = 5_000;

/** How long an idle agent's poll may wait. With a short lease, its absence must be noticed soon. */
export function pollHoldFor(mostMs: number, leaseTtlMs: number): number {
	return Math.min(mostMs, leaseTtlMs);
}

/** The timeout of a poll with this hold time. After it, the agent polls again. */
export function pollTimeoutFor(holdMs: number): number {
	return holdMs + ANSWER_MS;
}

/** An agent that was silent for this long is shown as offline: its next poll is overdue. */
export function silenceFor(holdMs: number): number {
	return pollTimeoutFor(holdMs) + MARGIN_MS;
}
