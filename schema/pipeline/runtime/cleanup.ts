import { DEFAULT_FINALLY_MS } from "../../wire/limits.ts";

/** The steps of a job that may run once it was cancelled. */
interface Cleaning {
	steps: readonly { asks_for_status: boolean }[];
	finally: { timeout_ms: number } | null;
}

/**
 * How long steps of a job may run after it was cancelled or timed out, in milliseconds: those of
 * `finally`, and those whose `if` asks for the status.
 */
export function cleanupLimit(job: Cleaning): number {
	if (job.finally) return job.finally.timeout_ms;
	return job.steps.some((step) => step.asks_for_status) ? DEFAULT_FINALLY_MS : 0;
}

/** How much later than without such steps an agent may end a job: its last processes get the kill grace once more. */
export function cleanupSlack(job: Cleaning, killGraceMs: number): number {
	const limit = cleanupLimit(job);
	return limit === 0 ? 0 : limit + killGraceMs;
}
