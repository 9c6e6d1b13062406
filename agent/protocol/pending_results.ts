import { ApiError, type ErrorCode } from "../../schema/wire/errors.ts";
import { MAX_RESULTS } from "../../schema/wire/limits.ts";
import type { PollAnswer, ResultBody } from "../../schema/wire/protocol.ts";

/**
 * The results of one poll have at most this many characters in all; a longer one goes alone, with
 * `finish`.
 */
export const MAX_RESULT_CHARS = 160 * 1024;

/**
 * What became of a result: the state of the attempt, or the error that rejects it. Undefined: the
 * coordinator answers polls, but not this result, so it goes alone.
 */
export type Delivery = string | ApiError | undefined;

/** So many polls carry a result that is not answered. */
const MAX_TRIES = 3;

interface Pending {
	result: ResultBody;
	chars: number;
	/** How many answered polls have carried it. */
	tries: number;
	resolve: (delivery: Delivery) => void;
}

/** Results that wait for the next poll. Each stays until the coordinator has answered it. */
export class PendingResults {
	readonly #pending = new Map<string, Pending>();
	/** Called when a result is added. */
	onAdded: () => void = () => undefined;

	get size(): number {
		return this.#pending.size;
	}

	/**
	 * Delivers a result with a poll, however many polls that takes.
	 * @throws the reason of `signal`: the lease is lost
	 */
	deliver(result: ResultBody, signal: AbortSignal): Promise<Delivery> {
		signal.throwIfAborted();
		const { attempt_id } = result;
		const { promise, resolve, reject } = Promise.withResolvers<Delivery>();
		const onAbort = () => {
			this.#pending.delete(attempt_id);
			reject(signal.reason);
		};
		signal.addEventListener("abort", onAbort, { once: true });
		this.#pending.set(attempt_id, { result, chars: JSON.stringify(result).length, tries: 0, resolve });
		this.onAdded();
		return promise.finally(() => signal.removeEventListener("abort", onAbort));
	}

	/** The oldest results, as many as fit into one poll. */
	next(): ResultBody[] {
		const results: ResultBody[] = [];
		let chars = 0;
		for (const one of this.#pending.values()) {
			chars += one.chars;
			if (results.length === MAX_RESULTS || (results.length > 0 && chars > MAX_RESULT_CHARS)) break;
			results.push(one.result);
		}
		return results;
	}

	/**
	 * Ends the wait of the results that were answered, and of those that were carried in vain too
	 * often.
	 * @returns whether all of them were answered
	 */
	settle(carried: readonly ResultBody[], answers: PollAnswer["results"]): boolean {
		for (const { attempt_id, state, error } of answers) {
			if (error === null) this.#settle(attempt_id, state ?? "");
			else this.#settle(attempt_id, new ApiError(error.error as ErrorCode, error.message, error));
		}
		const unanswered = carried.flatMap(({ attempt_id }) => this.#pending.get(attempt_id) ?? []);
		for (const one of unanswered) {
			one.tries += 1;
			if (one.tries >= MAX_TRIES) this.#settle(one.result.attempt_id, undefined);
		}
		return unanswered.length === 0;
	}

	/**
	 * A poll with these results was rejected as a whole: each is delivered alone, to find the one
	 * that is to blame.
	 */
	reject(results: readonly ResultBody[], error: ApiError): void {
		for (const { attempt_id } of results) this.#settle(attempt_id, error);
	}

	#settle(attemptId: string, delivery: Delivery): void {
		this.#pending.get(attemptId)?.resolve(delivery);
		this.#pending.delete(attemptId);
	}
}
