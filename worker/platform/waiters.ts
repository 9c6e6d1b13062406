/**
 * Calls that wait for something to happen. A closed client is invisible to a parked call, so every one has a timer,
 * and whoever parks under the same key takes the place of the one before.
 */
export class Waiters {
	readonly #parked = new Map<string, { wake: () => void }>();

	/** The keys of all parked calls, the newest first. */
	newestFirst(): string[] {
		return [...this.#parked.keys()].reverse();
	}

	has(key: string): boolean {
		return this.#parked.has(key);
	}

	/** Waits until `wake(key)`, another call with the same key, or the time is over. */
	park(key: string, holdMs: number): Promise<void> {
		this.wake(key);
		return new Promise((resolve) => {
			const entry = {
				wake: () => {
					clearTimeout(timer);
					if (this.#parked.get(key) === entry) this.#parked.delete(key);
					resolve();
				},
			};
			const timer = setTimeout(entry.wake, holdMs);
			this.#parked.set(key, entry);
		});
	}

	wake(key: string): void {
		this.#parked.get(key)?.wake();
	}

	wakeAll(): void {
		for (const key of this.newestFirst()) this.wake(key);
	}
}
