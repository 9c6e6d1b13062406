import { ApiError } from "../../schema/wire/errors.ts";
import type { RequestContext } from "../http/route.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";

export { assignmentWithoutSecrets } from "./assignment.ts";
export { answerResults, prepareResults } from "./results.ts";

type Caller = RequestContext<"lease">;

/** The lease of the caller. @throws ApiError `forbidden` for a token of another attempt */
export function leaseOf({ principal, params }: Caller): LeaseTokenClaims {
	if (principal.claims.attemptId === params.id) return principal.claims;
	throw new ApiError("forbidden", "The lease token belongs to another attempt.", {
		details: { attempt_id: principal.claims.attemptId },
		suggestions: ["Use the lease token from the offer of this attempt."],
	});
}
