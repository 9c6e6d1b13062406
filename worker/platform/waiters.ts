/**
 * Long polls that wait for news. The platform does not report a closed client, so every waiter has
 * a timer, and a new waiter replaces the one with the same key.
 */
export class Waiters {
	readonly #waiters = new Map<string, { wake: () => void }>();

	/** The keys of all waiters, newest first. */
	newestFirst(): string[] {
		return [...this.#waiters.keys()].reverse();
	}

	has(key: string): boolean {
		return this.#waiters.has(key);
	}

	/** Waits for `wake(key)`, another waiter with the same key, or `holdMs` milliseconds. */
	wait(key: string, holdMs: number): Promise<void> {
		this.wake(key);
		return new Promise((resolve) => {
			const entry = {
				wake: () => {
					clearTimeout(timer);
					if (this.#waiters.get(key) === entry) this.#waiters.delete(key);
					resolve();
				},
			};
			const timer = setTimeout(entry.wake, holdMs);
			this.#waiters.set(key, entry);
		});
	}

	wake(key: string): void {
		this.#waiters.get(key)?.wake();
	}

	wakeAll(): void {
		for (const key of this.newestFirst()) this.wake(key);
	}
}
