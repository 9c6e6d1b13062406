import * as z from "zod";
import { LEASE_TOKEN_MS } from "../../schema/wire/limits.ts";
import type { Environment } from "../bindings.ts";
import { verifyForLease } from "./signed_for_lease.ts";
import { sign } from "./signing.ts";

export const leaseClaims = z.object({
	attemptId: z.string(),
	leaseId: z.string(),
	jobId: z.string(),
	agentId: z.string(),
	team: z.string(),
	shard: z.number(),
});
export type LeaseTokenClaims = z.infer<typeof leaseClaims>;

export const LEASE_TOKEN_PREFIX = "wll.";

/** The token of an agent for one attempt. */
export async function signLease(environment: Environment, claims: LeaseTokenClaims): Promise<string> {
	return LEASE_TOKEN_PREFIX + (await sign(environment.SIGNING_KEY, "lease", { ...claims }, Date.now() + LEASE_TOKEN_MS));
}

export async function verifyLease(environment: Environment, token: string): Promise<LeaseTokenClaims | null> {
	return verifyForLease(
		environment,
		"lease",
		token.slice(LEASE_TOKEN_PREFIX.length),
		(claims) => leaseClaims.safeParse(claims).data ?? null,
	);
}
