import type { Reason } from "./states.ts";

/** Reasons that the queue and `windlass exec` both give. */

export const RUN_TIMED_OUT: Reason = { code: "run_timed_out", text: "The run timed out." };

/** @param failed the name of the job that failed */
export function failFastReason(failed: string): Reason {
	return { code: "fail_fast", text: `Ended because ${failed} failed.` };
}
