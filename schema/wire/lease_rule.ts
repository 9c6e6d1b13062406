/** The timeout of a renewal, unless the agent renews more often. */
const LONGEST_RENEW_TIMEOUT_MS = 5_000;
/** The travel time of the last signal. */
const MARGIN_MS = 2_000;

/** The timeout of a renewal, for an agent that renews this often. */
export function renewTimeoutFor(renewMs: number): number {
	return Math.min(LONGEST_RENEW_TIMEOUT_MS, renewMs);
}

/**
 * The shortest lease that never expires under a correct agent: three renewals, the kill grace, and
 * a margin.
 */
export function shortestLease({
	renewMs,
	renewTimeoutMs,
	killGraceMs,
}: {
	renewMs: number;
	renewTimeoutMs: number;
	killGraceMs: number;
}): number {
	return 3 * (renewMs + renewTimeoutMs) + killGraceMs + MARGIN_MS;
}
