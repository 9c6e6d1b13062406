/** The result of `work`, or an error when it takes longer than `ms`; the work itself is left to end by itself. */
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
