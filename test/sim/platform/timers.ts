/** `node:timers/promises` by the clock of the present world. */
export function setTimeout<Value>(ms: number, value: Value, { signal }: { signal?: AbortSignal } = {}): Promise<Value> {
	return new Promise((resolve, reject) => {
		const onAbort = () => {
			clearTimeout(waiting);
			reject(signal?.reason);
		};
		if (signal?.aborted) return reject(signal.reason);
		const waiting = globalThis.setTimeout(() => {
			signal?.removeEventListener("abort", onAbort);
			resolve(value);
		}, ms);
		signal?.addEventListener("abort", onAbort, { once: true });
	});
}
