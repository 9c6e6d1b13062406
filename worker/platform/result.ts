import { ApiError, fromWireError, toWireError, type WireError } from "../../schema/wire/errors.ts";

/** A result of a Durable Object call: an error thrown across the call keeps only its message. */
export type Result<Value> = { ok: true; value: Value } | { ok: false; error: WireError };

/** Runs `body`; an ApiError becomes a value, every other error is rethrown. */
export function resultOf<Value>(body: () => Value): Result<Value> {
	try {
		return { ok: true, value: body() };
	} catch (error) {
		if (error instanceof ApiError) return { ok: false, error: toWireError(error) };
		throw error;
	}
}

/** @throws ApiError the error of the called object */
export function unwrap<Value>(result: Result<Value>): Value {
	if (!result.ok) throw fromWireError(result.error);
	return result.value;
}
