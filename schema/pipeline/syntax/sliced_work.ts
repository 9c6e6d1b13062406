/**
 * Long work is done in slices, so that one hostile text cannot block other requests. The work is
 * counted and not timed: the clock of a Worker may stand still while code runs.
 */

/**
 * Work that can be interrupted. It yields the work since the last yield, in units of about a
 * microsecond.
 */
export type SlicedWork<Value> = Generator<number, Value, undefined>;

/** The work of one slice. */
export const SLICE_UNITS = 2_000;

/** Does all of it at once, for callers that block nobody. */
export function doneAtOnce<Value>(work: SlicedWork<Value>): Value {
	for (;;) {
		const step = work.next();
		if (step.done) return step.value;
	}
}

/**
 * Does one slice.
 * @returns the result, or null if there is more to do
 */
export function doSlice<Value>(work: SlicedWork<Value>, units: number): { value: Value } | null {
	for (let done = 0; done < units; ) {
		const step = work.next();
		if (step.done) return { value: step.value };
		done += step.value;
	}
	return null;
}
