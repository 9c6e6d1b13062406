import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { type Purpose, verify } from "./signing.ts";

/** The lease of a signed token; every token has these claims. */
export interface SignedFor {
	attemptId: string;
	leaseId: string;
	team: string;
}

/**
 * The claims of a token under the present signing key, or the former key for a day after `windlass
 * keys rotate`. A thief of the former key can sign any claims but knows no lease, so a token under
 * it needs a lease that the queue has granted.
 * @param read the claims of the purpose; null if they are malformed
 */
export async function verifyForLease<Claims extends SignedFor>(
	environment: Environment,
	purpose: Purpose,
	token: string,
	read: (claims: unknown) => Claims | null,
): Promise<Claims | null> {
	const present = await verify(environment.SIGNING_KEY, purpose, token);
	if (present) return read(present);
	const { SIGNING_KEY_BEFORE: before, SIGNING_KEY_BEFORE_UNTIL: until } = environment;
	if (!before || Date.now() >= Number(until)) return null;
	const claims = read(await verify(before, purpose, token));
	return claims && (await dispatcherOf(environment, claims.team).knowsLease(claims)) ? claims : null;
}
