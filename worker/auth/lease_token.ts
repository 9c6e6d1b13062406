import * as z from "zod";
import type { Environment } from "../environment.ts";
import { sign, verify } from "./signing.ts";

const leaseClaims = z.object({
	attemptId: z.string(),
	leaseId: z.string(),
	jobId: z.string(),
	agentId: z.string(),
	team: z.string(),
	shard: z.number(),
});
export type LeaseTokenClaims = z.infer<typeof leaseClaims>;

export const LEASE_TOKEN_PREFIX = "wll.";
/** Longer than any job may run, with all its grace. */
const LEASE_TOKEN_MS = 26 * 60 * 60_000;

/** The token by which an agent acts for one attempt. */
export async function signLease(environment: Environment, claims: LeaseTokenClaims): Promise<string> {
	return LEASE_TOKEN_PREFIX + (await sign(environment.SIGNING_KEY, "lease", { ...claims }, Date.now() + LEASE_TOKEN_MS));
}

export async function verifyLease(environment: Environment, token: string): Promise<LeaseTokenClaims | null> {
	const claims = await verify(environment.SIGNING_KEY, "lease", token.slice(LEASE_TOKEN_PREFIX.length));
	const parsed = leaseClaims.safeParse(claims);
	return parsed.success ? parsed.data : null;
}
