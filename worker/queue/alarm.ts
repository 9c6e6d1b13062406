/** The one alarm of a Durable Object, set to the earliest of many times. */
export class Alarm {
	readonly #storage: DurableObjectStorage;
	#at: number | null = null;

	constructor(storage: DurableObjectStorage) {
		this.#storage = storage;
	}

	/** Call it first when the alarm rings. */
	handled(): void {
		this.#at = null;
	}

	/** Sets the alarm to the earliest of these times, unless it is set to an earlier one. */
	arm(times: readonly (number | null)[]): void {
		const due = times.filter((at) => at !== null);
		if (due.length === 0) return;
		const at = Math.max(Math.min(...due), Date.now());
		// An alarm that is overdue never rings.
		if (this.#at !== null && this.#at > Date.now() && this.#at <= at) return;
		this.#at = at;
		void this.#storage.setAlarm(at);
	}
}
