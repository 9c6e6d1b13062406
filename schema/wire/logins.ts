import * as z from "zod";
import { actorName } from "./actor_name.ts";
import { createdToken } from "./tokens.ts";

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

/** `token` is there once the person has allowed it, in one answer. */
export const claimedLogin = z.object({ state: z.enum(["waiting", "allowed", "denied"]), token: createdToken.nullable() });
export type ClaimedLogin = z.infer<typeof claimedLogin>;
