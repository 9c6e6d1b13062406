import * as z from "zod";
import { LEASE_TOKEN_MS } from "../../schema/wire/limits.ts";
import type { Environment } from "../bindings.ts";
import { leaseClaims } from "./lease_token.ts";
import { verifyForLease } from "./signed_for_lease.ts";
import { sign } from "./signing.ts";

/** The token of a job for the caches of its build tools. It names what the job may read and write. */

const jobClaims = leaseClaims.extend({
	project: z.string(),
	/** The scope that the job writes to, and those that it reads, the nearest first. */
	own: z.string(),
	readable: z.array(z.string()),
	isTrusted: z.boolean(),
});
export type JobTokenClaims = z.infer<typeof jobClaims>;

export const JOB_TOKEN_PREFIX = "wlj.";

export async function signJobToken(environment: Environment, claims: JobTokenClaims): Promise<string> {
	return JOB_TOKEN_PREFIX + (await sign(environment.SIGNING_KEY, "job", { ...claims }, Date.now() + LEASE_TOKEN_MS));
}

export async function verifyJobToken(environment: Environment, token: string): Promise<JobTokenClaims | null> {
	return verifyForLease(environment, "job", token.slice(JOB_TOKEN_PREFIX.length), (claims) => jobClaims.safeParse(claims).data ?? null);
}
