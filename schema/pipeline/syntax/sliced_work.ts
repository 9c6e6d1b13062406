/**
 * Work that takes long is done in slices, so that one hostile text cannot stop everybody else. It is counted rather than timed: the clock of a Worker
 * may stand still while code runs.
 */

/** Work that can be interrupted. It yields how much it has done since it yielded before, in units of about a microsecond. */
export type SlicedWork<Value> = Generator<number, Value, undefined>;

/** How much is done at once. */
export const SLICE_UNITS = 2_000;

/** Does all of it at once, for callers with nobody to wait for them. */
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
