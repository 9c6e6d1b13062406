/** The first signal to stop, which lets jobs finish, and the second, which does not wait. */
export interface StopSignals {
	first: Promise<void>;
	second: Promise<void>;
}

export function stopSignals(): StopSignals {
	const first = Promise.withResolvers<void>();
	const second = Promise.withResolvers<void>();
	let count = 0;
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
		process.on(signal, () => {
			count += 1;
			if (count === 1) first.resolve();
			else second.resolve();
		});
	}
	return { first: first.promise, second: second.promise };
}
