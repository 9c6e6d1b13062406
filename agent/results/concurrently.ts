/**
 * Works on some items at once. After the first error it starts no further item, and waits for the
 * others: then the caller may close what they use.
 * @throws the first error
 */
export async function severalAtOnce<Item>(
	items: readonly Item[],
	count: number,
	work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
	// All workers share one iterator: each takes the next item.
	const entries = items.entries();
	let hasFailed = false;
	const worker = async () => {
		for (const [index, item] of entries) {
			if (hasFailed) return;
			try {
				await work(item, index);
			} catch (error) {
				hasFailed = true;
				throw error;
			}
		}
	};
	const workers = await Promise.allSettled(Array.from({ length: count }, worker));
	const failed = workers.find((one) => one.status === "rejected");
	if (failed) throw failed.reason;
}
