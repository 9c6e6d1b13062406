/** What a series of samples comes to. */
export interface Timing {
	/** Milliseconds. */
	p50: number;
	p99: number;
	/** Per second. */
	rate: number;
}

/** @param elapsedMs what the whole series took: samples that overlap make the rate higher than their lengths say */
export function timing(samples: readonly number[], elapsedMs: number): Timing {
	const sorted = [...samples].sort((a, b) => a - b);
	const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
	return { p50: at(0.5), p99: at(0.99), rate: (samples.length / elapsedMs) * 1000 };
}

/** How long this takes, in milliseconds. */
export async function elapsed(action: () => Promise<unknown>): Promise<number> {
	const before = performance.now();
	await action();
	return performance.now() - before;
}

/** The same thing again and again, one at a time. */
export async function repeated(count: number, action: (index: number) => Promise<unknown>): Promise<Timing> {
	const samples: number[] = [];
	const total = await elapsed(async () => {
		for (let index = 0; index < count; index += 1) samples.push(await elapsed(() => action(index)));
	});
	return timing(samples, total);
}
