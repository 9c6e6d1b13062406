/**
 * Does work on items, some at once. After the first failure nothing more is begun, and what is under way is waited for: then the
 * caller may close what the work uses.
 * @throws the first failure
 */
export async function severalAtOnce<Item>(
	items: readonly Item[],
	count: number,
	work: (item: Item, index: number) => Promise<void>,
): Promise<void> {
	// One iterator, several hands: each takes the next item when it is done with one.
	const entries = items.entries();
	let hasFailed = false;
	const hand = async () => {
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
	const hands = await Promise.allSettled(Array.from({ length: count }, hand));
	const failed = hands.find((one) => one.status === "rejected");
	if (failed) throw failed.reason;
}
