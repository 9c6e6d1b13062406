import { ApiError } from "../../schema/wire/errors.ts";
import type { Environment } from "../environment.ts";
import type { Dispatcher } from "./dispatcher.ts";

const TRIES = 3;

/**
 * The Dispatcher of a team. Every call of it is idempotent, so a call that fails because the object was reset is tried
 * again, each time over a fresh stub (a stub is broken after an exception), never when the object is overloaded.
 * Its methods throw ApiError `unavailable` when that does not help.
 */
export function dispatcherOf(environment: Environment, team: string): DurableObjectStub<Dispatcher> {
	return new Proxy({} as DurableObjectStub<Dispatcher>, {
		get(_, method: string) {
			return (...args: unknown[]) => callWithRetry(environment, team, method, args);
		},
	});
}

async function callWithRetry(environment: Environment, team: string, method: string, args: unknown[]): Promise<unknown> {
	for (let attempt = 1; ; attempt += 1) {
		const stub = environment.DISPATCHER.getByName(`team:${team}`) as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
		try {
			return await stub[method]?.(...args);
		} catch (error) {
			if (!isRetryable(error)) throw error;
			if (attempt >= TRIES) throw unavailable();
			await new Promise((resolve) => setTimeout(resolve, Math.random() * 50 * 2 ** attempt));
		}
	}
}

function isRetryable(error: unknown): boolean {
	const { retryable, overloaded } = error as { retryable?: boolean; overloaded?: boolean };
	return retryable === true && overloaded !== true;
}

function unavailable(): ApiError {
	return new ApiError("unavailable", "The queue cannot be reached right now.", {
		suggestions: ["Try again in a moment; nothing was lost."],
		headers: { "Retry-After": "2" },
	});
}
