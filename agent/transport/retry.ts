import { sleep } from "../sleep.ts";

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 10_000;

/**
 * No usable answer: the network, a proxy or a restarting coordinator failed. A retry may succeed.
 */
export class Unreachable extends Error {
	readonly retryAfterMs: number;

	constructor(message: string, retryAfterMs = 0) {
		super(message);
		this.name = "Unreachable";
		this.retryAfterMs = retryAfterMs;
	}
}

/**
 * How long to wait after this failure. The pause grows and has full jitter, so that agents do not
 * return all at once.
 */
export function backoffMs(failuresBefore: number, error: Unreachable): number {
	const ceiling = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failuresBefore);
	return Math.max(error.retryAfterMs, Math.random() * ceiling);
}

/**
 * Repeats `attempt` until the coordinator answers, with growing pauses and full jitter.
 * @throws ApiError when the coordinator rejects the request; the signal's reason when the signal is
 * aborted
 */
export async function untilAnswered<Value>(
	attempt: () => Promise<Value>,
	signal?: AbortSignal,
	onRetry?: (error: Unreachable) => void,
): Promise<Value> {
	for (let failures = 0; ; failures += 1) {
		signal?.throwIfAborted();
		try {
			return await attempt();
		} catch (error) {
			if (!(error instanceof Unreachable)) throw error;
			onRetry?.(error);
			await sleep(backoffMs(failures, error), signal);
		}
	}
}
