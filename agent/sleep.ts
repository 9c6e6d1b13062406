import { setTimeout as timer } from "node:timers/promises";

/** Waits. @throws the signal's reason when the signal is aborted */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
	try {
		await timer(ms, undefined, signal && { signal });
	} catch (error) {
		// Node throws an AbortError of its own, with the reason as its cause.
		signal?.throwIfAborted();
		throw error;
	}
}
