/**
 * The coordinator's time, as this machine can know it. The agent's own clock may be wrong by minutes, and may be corrected while a job
 * runs; the times of steps and log lines are told by the monotonic clock and the newest answers that named a time.
 */
export class CoordinatorClock {
	/** From the monotonic clock to the coordinator's; null before anything was heard. */
	#offset: number | null = null;

	/**
	 * Takes an answer that has just come.
	 * @param now the coordinator's time as it answered, if it says so
	 * @param sentAt when the request was sent, on the monotonic clock
	 */
	update(now: number | undefined, sentAt: number): void {
		if (now === undefined) return;
		const receivedAt = performance.now();
		// The answer was on its way for at most the whole time: this is never ahead of the coordinator, and behind by no more than that.
		const least = now - receivedAt;
		const most = now - sentAt;
		if (this.#offset === null || this.#offset < least || this.#offset > most) this.#offset = least;
	}

	/** In milliseconds since the epoch; before anything was heard, by the clock of this machine. */
	now(): number {
		return this.#offset === null ? Date.now() : Math.floor(performance.now() + this.#offset);
	}
}
