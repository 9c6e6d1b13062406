/**
 * The coordinator's time. The machine's clock may be wrong by minutes, and may be corrected while a
 * job runs. So steps and log lines get their times from the monotonic clock and from the
 * coordinator's answers.
 */
export class CoordinatorClock {
	/** From the monotonic clock to the coordinator's; null before the first answer. */
	#offset: number | null = null;

	/**
	 * Call it as soon as an answer has come.
	 * @param now the coordinator's time in the answer, if it has one
	 * @param sentAt when the request was sent, on the monotonic clock
	 */
	update(now: number | undefined, sentAt: number): void {
		if (now === undefined) return;
		const receivedAt = performance.now();
		// The answer took at most the whole time, so this clock is never ahead of the coordinator's.
		const least = now - receivedAt;
		const most = now - sentAt;
		if (this.#offset === null || this.#offset < least || this.#offset > most) this.#offset = least;
	}

	/** In milliseconds since the epoch. Before the first answer it is the time of this machine. */
	now(): number {
		return this.#offset === null ? Date.now() : Math.floor(performance.now() + this.#offset);
	}
}
