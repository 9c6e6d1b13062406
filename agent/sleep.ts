/** The reason of an abort that only ends a wait: without one, each abort makes an error with a stack. */
export const WAIT_ENDED = new Error("The wait has ended.");

/** Waits. @throws the signal's reason when the signal is aborted */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
	return new Promise((resolve, reject) => {
		if (signal?.aborted) {
			reject(signal.reason);
			return;
		}
		const onAbort = () => {
			clearTimeout(timer);
			reject(signal?.reason);
		};
		const timer = setTimeout(() => {
			signal?.removeEventListener("abort", onAbort);
			resolve();
		}, ms);
		signal?.addEventListener("abort", onAbort, { once: true });
	});
}

/** Waits for something, but no longer than this. */
export async function atMost(ms: number, event: Promise<void>): Promise<void> {
	const { promise, resolve } = Promise.withResolvers<void>();
	const timer = setTimeout(resolve, ms);
	await Promise.race([event, promise]);
	clearTimeout(timer);
}
