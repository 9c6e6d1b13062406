/** How long an agent may take to answer for a renewal, unless it renews more often. */
const LONGEST_RENEW_TIMEOUT_MS = 5_000;
/** The way of the last signal. */
const MARGIN_MS = 2_000;

/** How long a renewal may take, for an agent that renews this often. */
export function renewTimeoutFor(renewMs: number): number {
	return Math.min(LONGEST_RENEW_TIMEOUT_MS, renewMs);
}

/** The shortest lease that does not expire under an agent that does everything right: three renewals, the kill grace, and a margin. */
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
