import type { Action } from "../../schema/wire/permissions.ts";
import { ACTIONS } from "../../schema/wire/permissions.ts";
import type { RequestContext, Route } from "../http/route.ts";
import { actorOf } from "../http/route.ts";
import { countFailure } from "../identity/throttle.ts";
import { recordAudit } from "../platform/audit_log.ts";

/** Records what people change. */

/** Whether requests of a route go into the audit log. */
export function isAudited({ method, action }: Route): boolean {
	return action !== undefined && method !== "GET" && "isAudited" in ACTIONS[action];
}

/**
 * Records a request of a person or of the host, if it has changed something or may not.
 * @param status of its answer: a page is shown again with an error, or asks whether it is meant
 */
export async function recordRequest(route: Route, context: RequestContext, status: number): Promise<void> {
	const { principal, environment, request, url, client, requestId, noted } = context;
	if (principal.kind !== "user" && principal.kind !== "host") return;
	const isDone = url.pathname.startsWith("/api/") ? status < 400 : status === 303 || status === 201;
	if (!isDone && status !== 403) return;
	// A caller who tries again and again does not fill the log.
	const refusals = isDone || principal.kind !== "user" ? 1 : countFailure([`refused ${principal.tokenId}`], Date.now()).logged;
	if (refusals === null) return;
	await recordAudit(environment, principal.team, {
		event: route.action as Action,
		actor: actorOf(principal),
		via: principal.kind === "user" ? (principal.sessionId ?? principal.tokenId) : null,
		what: `${request.method} ${url.pathname}`,
		details: refusals > 1 ? { ...noted, refusals: String(refusals) } : noted,
		outcome: isDone ? "done" : "refused",
		address: principal.kind === "host" ? null : client.address,
		request_id: requestId,
	});
}
