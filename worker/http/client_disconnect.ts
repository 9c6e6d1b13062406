import { ApiError } from "../../schema/wire/errors.ts";

/** The refusal of a body that broke off, if that is what the error says: whoever sent it is gone, and that is no fault of ours. */
export function clientDisconnected(error: unknown): ApiError | null {
	const words = String((error as Error)?.message ?? error);
	if (!/network connection lost|disconnected|premature|aborted|body.*(ended|closed)|fewer bytes|bytes but|did not write/i.test(words))
		return null;
	return new ApiError("malformed", "The body broke off.", { suggestions: ["Send it again."] });
}
