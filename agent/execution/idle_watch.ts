const MAX_LOOK_MS = 5_000;
const MIN_LOOK_MS = 50;

/** Calls back when a job has written nothing for too long. */
export class IdleWatch {
	readonly #idleTimeoutMs: number | null;
	readonly #onIdle: () => void;
	#lastOutputAt = 0;
	#timer: NodeJS.Timeout | undefined;

	/** @param idleTimeoutMs null: no limit */
	constructor(idleTimeoutMs: number | null, onIdle: () => void) {
		this.#idleTimeoutMs = idleTimeoutMs;
		this.#onIdle = onIdle;
	}

	start(): void {
		const limit = this.#idleTimeoutMs;
		if (limit === null) return;
		this.#lastOutputAt = performance.now();
		const look = () => {
			if (performance.now() - this.#lastOutputAt >= limit) this.#onIdle();
		};
		this.#timer = setInterval(look, Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, limit / 10)));
	}

	/** The job has written something. */
	reset(): void {
		this.#lastOutputAt = performance.now();
	}

	stop(): void {
		clearInterval(this.#timer);
	}
}
