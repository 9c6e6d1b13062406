/** The figures of a series of samples. */
export interface Timing {
	/** Milliseconds. */
	p50: number;
	p99: number;
	/** Per second. */
	rate: number;
}

/**
 * @param elapsedMs the time of the whole series; overlapping samples have a higher rate than their
 * lengths suggest
 */
export function timing(samples: readonly number[], elapsedMs: number): Timing {
	const sorted = [...samples].sort((a, b) => a - b);
	const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
	return { p50: at(0.5), p99: at(0.99), rate: (samples.length / elapsedMs) * 1000 };
}

/** The time of an action, in milliseconds. */
export async function elapsed(action: () => Promise<unknown>): Promise<number> {
	const before = performance.now();
	await action();
	return performance.now() - before;
}

/** The times of a repeated action, one at a time. */
export async function repeated(count: number, action: (index: number) => Promise<unknown>): Promise<Timing> {
	const samples: number[] = [];
	const total = await elapsed(async () => {
		for (let index = 0; index < count; index += 1) samples.push(await elapsed(() => action(index)));
	});
	return timing(samples, total);
}
