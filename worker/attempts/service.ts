import { ApiError } from "../../schema/wire/errors.ts";
import type { RequestContext } from "../http/route.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";

type Caller = RequestContext<"lease">;

/** The lease that the caller holds. @throws ApiError `forbidden` if its token is another attempt's */
export function leaseOf({ principal, params }: Caller): LeaseTokenClaims {
	if (principal.claims.attemptId === params.id) return principal.claims;
	throw new ApiError("forbidden", "This lease token belongs to another attempt.", { details: { attempt_id: principal.claims.attemptId } });
}
