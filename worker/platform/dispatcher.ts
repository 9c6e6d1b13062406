import { ApiError } from "../../schema/wire/errors.ts";
import type { Dispatcher, Environment } from "../bindings.ts";
import { type DispatcherMethod, IS_IDEMPOTENT } from "./idempotent.ts";

const TRIES = 3;

/**
 * The Dispatcher of a team. A call that fails because the object was reset may have been carried out: one of an idempotent method is
 * tried again, each time over a fresh stub (a stub is broken after an exception), never when the object is overloaded.
 * Its methods throw ApiError `unavailable` when that does not help, or may not be done.
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
			await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
		}
	}
}

function isRetryable(error: unknown): boolean {
	const { retryable, overloaded } = error as { retryable?: boolean; overloaded?: boolean };
	return retryable === true && overloaded !== true;
}

/** Nobody knows whether it was done. */
function interrupted(): ApiError {
	return new ApiError("unavailable", "The queue was interrupted, and may have done this already.", {
		suggestions: ["Look whether it was done, and ask again if it was not."],
		headers: { "Retry-After": "2" },
	});
}

function unavailable(): ApiError {
	return new ApiError("unavailable", "The queue cannot be reached right now.", {
		suggestions: ["Try again in a moment; nothing was lost."],
		headers: { "Retry-After": "2" },
	});
}
