export { presentAgent } from "./present.ts";

import type * as z from "zod";
import { type createRegistrationToken, MAX_REGISTRATION_MS, type RegistrationToken } from "../../schema/wire/agents.ts";
import { parseDuration } from "../../schema/wire/duration.ts";
import type { LogFields } from "../../schema/wire/log_line.ts";
import { invalidParameter } from "../http/parameters.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { REGISTRATION_TOKEN_PREFIX } from "../identity/principal.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { AgentChange } from "../queue/core/agents/lifecycle.ts";
import type { AgentRows } from "../queue/core/reads.ts";

/** Changes of agents and registration tokens. */

type Person = RequestContext<"user">;

/** The log message of each change. */
const LOGGED: Record<AgentChange["kind"], string> = {
	restrict: "agent restricted",
	disable: "agent disabled",
	enable: "agent enabled",
	drain: "agent drain requested",
	rotate: "agent token rotation requested",
};

/** Changes the agent in the path. @throws ApiError `not_found`, `conflict` */
export async function changeAgent({ environment, principal, params, requestId, noted }: Person, change: AgentChange): Promise<AgentRows> {
	const actor = actorOf(principal);
	const rows = unwrap(await dispatcherOf(environment, principal.team).changeAgent(params.id ?? "", change, actor));
	noted.name = rows.agent.name;
	log("info", LOGGED[change.kind], { request_id: requestId, actor, agent: rows.agent.id, name: rows.agent.name, ...changeFields(change) });
	return rows;
}

function changeFields(change: AgentChange): LogFields {
	if (change.kind === "disable") return { cancel: change.cancel };
	if (change.kind !== "restrict") return {};
	const { projects, runs } = change;
	return { ...(projects !== undefined && { projects }), ...(runs !== undefined && { accepts: runs }) };
}

/** Deletes the agent in the path. @throws ApiError `not_found` */
export async function removeAgent({ environment, principal, params, requestId, noted }: Person): Promise<void> {
	const actor = actorOf(principal);
	const name = unwrap(await dispatcherOf(environment, principal.team).removeAgent(params.id ?? "", actor));
	noted.name = name;
	log("info", "agent deleted", { request_id: requestId, actor, agent: params.id, name });
}

/** Agents register with registration tokens. Only the answer that creates a token contains it. */

type Caller = RequestContext<"user" | "host">;

/** Creates a registration token. @throws ApiError `validation_failed` */
export async function makeRegistrationToken(
	{ environment, principal, requestId, noted }: Pick<Caller, "environment" | "principal" | "requestId" | "noted">,
	{ uses, expires_in, labels, projects, runs }: z.infer<typeof createRegistrationToken>,
): Promise<RegistrationToken> {
	const ms = parseDuration(expires_in);
	if (ms === null || ms <= 0)
		throw invalidParameter("expires_in", `${JSON.stringify(expires_in)} is not a duration`, "write 10m, 24h or 30d");
	if (ms > MAX_REGISTRATION_MS)
		throw invalidParameter("expires_in", `${JSON.stringify(expires_in)} is too long for a registration token`, "write at most 90d");
	const token = `${REGISTRATION_TOKEN_PREFIX}${principal.team}.${randomSecret()}`;
	const expiresAt = Date.now() + ms;
	const actor = actorOf(principal);
	const id = unwrap(
		await dispatcherOf(environment, principal.team).createRegistrationToken(
			{ hash: await sha256(token), uses, expiresAt, labels, projects, runs },
			actor,
		),
	);
	Object.assign(noted, { id, labels: labels.join(", "), projects: projects.join(", "), runs });
	log("info", "registration token created", { request_id: requestId, actor, id, uses, labels, projects, accepts: runs });
	return { id, token, uses, expires_at: new Date(expiresAt).toISOString(), labels, projects, runs };
}

/** Revokes the token in the path. @throws ApiError `not_found` */
export async function revokeToken({ environment, principal, params, requestId }: RequestContext<"user">): Promise<void> {
	const actor = actorOf(principal);
	unwrap(await dispatcherOf(environment, principal.team).revokeRegistrationToken(params.id ?? "", actor));
	log("info", "registration token revoked", { request_id: requestId, actor, id: params.id });
}
