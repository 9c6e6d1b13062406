const PATIENCE_MS = 5_000;

/** What does not end keeps somebody waiting for ever: it is a fault, too. */
export async function soon<Value>(promise: Promise<Value>, what: string): Promise<Value> {
	let timer: NodeJS.Timeout | undefined;
	const late = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`${what} does not end`)), PATIENCE_MS);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}
