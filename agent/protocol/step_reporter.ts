import type { Step } from "../../schema/wire/resources.ts";
import { sleep, WAIT_ENDED } from "../sleep.ts";
import type { Coordinator } from "../transport/client.ts";

/** A job that is over by then sends its steps with its result only. */
const PACE_MS = 100;

/**
 * Sends the states of the steps while the job runs. Only the newest states matter, so there is one
 * request at a time. The next report replaces a lost one, and the result has all steps again.
 */
export class StepReporter {
	readonly #client: Coordinator;
	readonly #attempt: { id: string; token: string };
	readonly #stop = new AbortController();
	#newest: Step[] | null = null;
	#isSending = false;

	constructor(client: Coordinator, attempt: { id: string; token: string }) {
		this.#client = client;
		this.#attempt = attempt;
	}

	report(steps: Step[]): void {
		this.#newest = steps;
		if (!this.#isSending) void this.#send();
	}

	stop(): void {
		this.#stop.abort(WAIT_ENDED);
	}

	async #send(): Promise<void> {
		this.#isSending = true;
		while (this.#newest !== null) {
			await sleep(PACE_MS, this.#stop.signal).catch(() => undefined);
			const steps = this.#take();
			if (steps === null || this.#stop.signal.aborted) break;
			await this.#client
				.call({
					method: "POST",
					path: `/api/v1/attempts/${this.#attempt.id}/steps`,
					token: this.#attempt.token,
					json: { steps },
					signal: this.#stop.signal,
				})
				.catch(() => undefined);
		}
		this.#isSending = false;
	}

	#take(): Step[] | null {
		const steps = this.#newest;
		this.#newest = null;
		return steps;
	}
}
