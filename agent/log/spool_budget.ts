/** A log that can give up what is unsent of it. */
interface Droppable {
	dropUnsent(): Promise<void>;
}

/**
 * How much disk all logs of an agent may take while the coordinator cannot be reached. When it is too much, the oldest log gives up what is
 * unsent of it. Results are not among it: they are small, and never given up.
 */
export class SpoolBudget {
	readonly #limit: number;
	readonly #logs = new Set<Droppable>();
	#used = 0;

	constructor(limit: number) {
		this.#limit = limit;
	}

	join(log: Droppable): void {
		this.#logs.add(log);
	}

	leave(log: Droppable): void {
		this.#logs.delete(log);
	}

	change(bytes: number): void {
		this.#used += bytes;
	}

	/** Makes room, the oldest log first. */
	async keep(): Promise<void> {
		for (const log of [...this.#logs]) {
			if (this.#used <= this.#limit) return;
			await log.dropUnsent();
		}
	}
}
