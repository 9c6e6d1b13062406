/**
 * Whatever reads untrusted bytes must be through with them in a time that grows with their number and no faster: while it reads,
 * nobody else is served. The allowance is generous, so that a busy machine does not break the promise and a square does.
 */
export function inTime<Value>(bytes: number, read: () => Value): Value {
	const started = performance.now();
	const value = read();
	const took = performance.now() - started;
	const allowed = allowedMs(bytes);
	if (took > allowed) throw new Error(`${bytes} bytes took ${Math.round(took)} ms; ${Math.round(allowed)} ms are allowed`);
	return value;
}

function allowedMs(bytes: number): number {
	return 1_000 + bytes / 50;
}
