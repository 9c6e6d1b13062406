/** A log that can drop its unsent part. */
interface Droppable {
	dropUnsent(): Promise<void>;
}

/**
 * The disk space that all logs of an agent may take while the coordinator is unreachable. When they
 * take more, the oldest log drops its unsent part. Results do not count: they are small, and never
 * dropped.
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

	/** Frees space, the oldest log first. */
	async keep(): Promise<void> {
		for (const log of [...this.#logs]) {
			if (this.#used <= this.#limit) return;
			await log.dropUnsent();
		}
	}
}
