import type { JobState, RunState } from "./states.ts";

/**
 * The end of a run as an exit code: in `::exit N` at the end of its log, and from the commands that
 * follow it.
 */

export const TIMED_OUT_EXIT = 124;
export const ERRORED_EXIT = 125;
export const CANCELLED_EXIT = 130;

const BY_STATE: Partial<Record<RunState | JobState, number>> = {
	succeeded: 0,
	skipped: 0,
	timed_out: TIMED_OUT_EXIT,
	errored: ERRORED_EXIT,
	cancelled: CANCELLED_EXIT,
};

/**
 * The exit code of a run or job that has ended.
 * @param failed the exit codes of its failed jobs, without those that may fail; the job that ended
 * first stands first
 */
export function exitCodeOf(state: RunState | JobState, failed: readonly (number | null)[]): number {
	return BY_STATE[state] ?? (failed[0] || 1);
}
