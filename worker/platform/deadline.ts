/** The result of `work`, or an error after `ms` milliseconds; the work itself continues. */
export async function withDeadline<Value>(work: Promise<Value>, ms: number, what: string): Promise<Value> {
	let timer: ReturnType<typeof setTimeout> | undefined;
	const deadline = new Promise<never>((_, reject) => {
		timer = setTimeout(() => reject(new Error(`no answer from ${what} in ${ms} ms`)), ms);
	});
	try {
		return await Promise.race([work, deadline]);
	} finally {
		clearTimeout(timer);
	}
}
