import * as z from "zod";
import { cookieIn, setCookie } from "../identity/cookies.ts";
import { sign, verify } from "../identity/signing.ts";

/**
 * A sign-in that was sent to its provider. It is in a cookie of the browser that began it, so that
 * nobody ends it in another one, and a flood of beginnings takes no room here. Each has a cookie of
 * its own, for those in other tabs.
 */

const VALID_MS = 10 * 60_000;
const NAME = "windlass_sign_in";
const MARK_LENGTH = 8;

const shape = z.object({
	team: z.string(),
	provider: z.string(),
	state: z.string(),
	nonce: z.string(),
	verifier: z.string(),
	/** The page that follows. */
	to: z.string(),
	/** The code of an invitation that the account joins with; null without one. */
	invitation: z.string().nullable(),
});
export type PendingSignIn = z.infer<typeof shape>;

const cookieOf = (state: string) => `${NAME}_${state.slice(0, MARK_LENGTH)}`;

/** @returns the Set-Cookie value */
export async function keepPending(key: string, pending: PendingSignIn, isSecure: boolean): Promise<string> {
	const signed = await sign(key, "sign_in", pending, Date.now() + VALID_MS);
	return setCookie(cookieOf(pending.state), signed, VALID_MS / 1000, isSecure);
}

/** The sign-in that an answer with this state ends; null if it has expired, or began in another browser. */
export async function pendingIn(request: Request, key: string, state: string, isSecure: boolean): Promise<PendingSignIn | null> {
	const signed = cookieIn(request, cookieOf(state), isSecure);
	const claims = signed === undefined ? null : await verify(key, "sign_in", signed);
	const pending = shape.safeParse(claims).data;
	return pending?.state === state ? pending : null;
}

/** The Set-Cookie value after which the sign-in cannot be ended again. */
export function endedPending(state: string, isSecure: boolean): string {
	return setCookie(cookieOf(state), "", 0, isSecure);
}
