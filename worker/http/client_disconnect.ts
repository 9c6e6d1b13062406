import { ApiError } from "../../schema/wire/errors.ts";

/**
 * The error of a client disconnect in the middle of a body; null for other errors. It is no error
 * of the coordinator.
 */
export function clientDisconnected(error: unknown): ApiError | null {
	const message = String((error as Error)?.message ?? error);
	if (!/network connection lost|disconnected|premature|aborted|body.*(ended|closed)|fewer bytes|bytes but|did not write/i.test(message))
		return null;
	return new ApiError("malformed", "The connection closed before the end of the body.", { suggestions: ["Send it again."] });
}
