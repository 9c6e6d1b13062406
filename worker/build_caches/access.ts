import type { BuildCacheAccess, BuildTool } from "../../schema/wire/build_caches.ts";
import type { Environment } from "../bindings.ts";
import { cachingAttempt } from "../caches/service.ts";
import { signJobToken } from "../identity/job_token.ts";
import type { LeaseTokenClaims } from "../identity/lease_token.ts";

/** The path below which each tool has its own. */
export const BUILD_CACHES_PATH = "/api/v1/build-caches";

/** The right of a starting job to use the caches of its tools; null for a job that asks for none. */
export async function buildCacheAccess(
	environment: Environment,
	lease: LeaseTokenClaims,
	tools: readonly BuildTool[],
): Promise<BuildCacheAccess | null> {
	if (tools.length === 0) return null;
	const attempt = await cachingAttempt(environment, lease);
	const scopes = attempt.scopes("branch");
	if (typeof scopes === "string") return null;
	const { project, isTrusted } = attempt;
	const token = await signJobToken(environment, { ...lease, project, own: scopes.own, readable: [...scopes.readable], isTrusted });
	return { tools: [...tools], token, path: BUILD_CACHES_PATH };
}
