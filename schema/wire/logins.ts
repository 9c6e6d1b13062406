import * as z from "zod";
import { actorName } from "./actor_name.ts";
import { token } from "./tokens.ts";

/** `windlass login`: a person allows a command on a machine to act as them, in the browser (as RFC 8628 does). */

/** POST /logins */
export const loginRequest = z.strictObject({
	/** The name of the machine: that of its token. */
	machine: actorName,
});

export const login = z.object({
	/** What the command claims the token with. */
	secret: z.string(),
	/** What the person compares. */
	code: z.string(),
	/** The page on which they decide. */
	url: z.string(),
	/** For how long, in milliseconds. */
	valid_ms: z.number(),
});
export type Login = z.infer<typeof login>;

/** POST /logins/claim */
export const loginClaim = z.strictObject({ secret: z.string().min(1).max(200) });

/** What a command acts with (RFC 6749, 5.1). Only this answer has it. */
const pair = z.object({
	token_type: z.literal("Bearer"),
	/** A signed token for some minutes. */
	access_token: z.string(),
	/** How long it is valid, in seconds. */
	expires_in: z.number().int().positive(),
	/** Gets the next pair, once. A second use ends the sign-in. */
	refresh_token: z.string(),
});
export type TokenPair = z.infer<typeof pair>;

/** `token` is there once the person has allowed it, in one answer. */
export const claimedLogin = z.object({
	state: z.enum(["waiting", "allowed", "denied"]),
	/** What the sign-in is: it is listed and revoked as a token. */
	token: token.extend(pair.shape).nullable(),
});
export type ClaimedLogin = z.infer<typeof claimedLogin>;

/** POST /logins/refresh */
export const refreshRequest = z.strictObject({ refresh_token: z.string().min(1).max(200) });
export const refreshed = pair;

/** GET /.well-known/jwks.json */
export const jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });
