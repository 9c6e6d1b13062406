import type { Reason } from "./states.ts";

/** Reasons that the queue and `windlass exec` both give. */

export const RUN_TIMED_OUT: Reason = { code: "run_timed_out", text: "The run timed out." };

/** The code of the reason for jobs that `fail_fast` ends. */
export const FAIL_FAST = "fail_fast";

/** @param failed the name of the job that failed */
export function failFastReason(failed: string): Reason {
	return { code: FAIL_FAST, text: `Ended because ${failed} failed.` };
}
