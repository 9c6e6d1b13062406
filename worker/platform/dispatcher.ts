import { ApiError } from "../../schema/wire/errors.ts";
import type { Dispatcher, Environment } from "../bindings.ts";
import { type DispatcherMethod, IS_IDEMPOTENT } from "./idempotent.ts";
import { sleep } from "./sleep.ts";

const TRIES = 3;

/**
 * The Dispatcher of a team. A call that fails because the object was reset may have been executed.
 * Idempotent methods are retried with a fresh stub, because a stub is broken after an exception,
 * but never when the object is overloaded. Other failed calls throw ApiError `unavailable`.
 */
export function dispatcherOf(environment: Environment, team: string): DurableObjectStub<Dispatcher> {
	return new Proxy({} as DurableObjectStub<Dispatcher>, {
		get(_, method: DispatcherMethod) {
			return (...args: unknown[]) => callWithRetry(environment, team, method, args);
		},
	});
}

async function callWithRetry(environment: Environment, team: string, method: DispatcherMethod, args: unknown[]): Promise<unknown> {
	for (let attempt = 1; ; attempt += 1) {
		const stub = environment.DISPATCHER.getByName(`team:${team}`) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
		try {
			return await stub[method]?.(...args);
		} catch (error) {
			if (!isRetryable(error)) throw error;
			if (!IS_IDEMPOTENT[method]) throw interrupted();
			if (attempt >= TRIES) throw unavailable();
			await sleep(Math.random() * 50 * 2 ** attempt);
		}
	}
}

function isRetryable(error: unknown): boolean {
	const { retryable, overloaded } = error as { retryable?: boolean; overloaded?: boolean };
	return retryable === true && overloaded !== true;
}

/** The call may have been executed. */
function interrupted(): ApiError {
	return new ApiError("unavailable", "The queue was interrupted. It may have executed the request.", {
		suggestions: ["Check on the status page whether the change is there, and repeat the request if it is not."],
		headers: { "Retry-After": "2" },
	});
}

function unavailable(): ApiError {
	return new ApiError("unavailable", "The queue does not answer.", {
		suggestions: ["Repeat the request in a few seconds. Nothing was lost."],
		headers: { "Retry-After": "2" },
	});
}
