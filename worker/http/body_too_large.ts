import { ApiError } from "../../schema/wire/errors.ts";

/** @param limit in bytes */
export function bodyTooLarge(limit: number): ApiError {
	return new ApiError("too_large", `The body is larger than ${limit} bytes.`, {
		details: { limit },
		suggestions: ["Send less in one request."],
	});
}
