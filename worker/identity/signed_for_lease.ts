import type { Environment } from "../bindings.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { type Purpose, verify } from "./signing.ts";

/** Whom a signed token was made for; every one carries these claims among its own. */
export interface SignedFor {
	attemptId: string;
	leaseId: string;
	team: string;
}

/**
 * The claims of a token that was signed with the signing key, or, until `windlass keys rotate` is a day old, with the key before
 * it. A thief of that key could sign anything, but cannot know a lease: so of its tokens only those count whose lease the
 * queue has given out.
 * @param read the claims of the purpose; null if they are not well formed
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
