/** Runs tasks one after the other, in the order in which they came. */
export class TaskQueue {
	#last: Promise<void> = Promise.resolve();

	run<Value>(task: () => Promise<Value>): Promise<Value> {
		const result = this.#last.then(task);
		this.#last = result.then(
			() => undefined,
			() => undefined,
		);
		return result;
	}

	/** Waits for all tasks that have come so far. */
	async settled(): Promise<void> {
		await this.#last;
	}
}
