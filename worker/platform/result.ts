import { ApiError, fromWireError, toWireError, type WireError } from "../../schema/wire/errors.ts";

/** An answer of a Durable Object: errors thrown across the call would lose everything but their message. */
export type Result<Value> = { ok: true; value: Value } | { ok: false; error: WireError };

/** Runs `body`; a error becomes a value, every other error is a fault and is thrown on. */
export function resultOf<Value>(body: () => Value): Result<Value> {
	try {
		return { ok: true, value: body() };
	} catch (error) {
		if (error instanceof ApiError) return { ok: false, error: toWireError(error) };
		throw error;
	}
}

/** @throws ApiError, the error of the other side */
export function unwrap<Value>(result: Result<Value>): Value {
	if (!result.ok) throw fromWireError(result.error);
	return result.value;
}
