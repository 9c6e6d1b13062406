import { agentChange, disableRequest, noFields } from "../../schema/wire/agents.ts";
import { json } from "../http/answers.ts";
import { readJson } from "../http/bodies.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import type { AgentChange } from "../queue/core/agents/lifecycle.ts";
import type { AgentRows } from "../queue/core/reads.ts";
import { presentAgent } from "../runs/present.ts";

/** What people do with agents. */

type Person = RequestContext<"user">;

async function list({ url, environment, principal }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	const agents = await dispatcherOf(environment, principal.team).readAgents();
	return json({ items: agents.map(presentAgent), next_cursor: null });
}

async function get({ url, environment, principal, params }: Person): Promise<Response> {
	onlyParameters(url, []);
	return json(presentAgent(unwrap(await dispatcherOf(environment, principal.team).readAgent(params.id ?? ""))));
}

/** What the log says of each change. */
const LOGGED: Record<AgentChange["kind"], string> = {
	restrict: "agent restricted",
	disable: "agent disabled",
	enable: "agent enabled",
	drain: "agent asked to drain",
	rotate: "agent asked to rotate its token",
};

/** Changes the agent that the address names. @throws ApiError `not_found`, `conflict` */
export async function changeAgent({ environment, principal, params, requestId }: Person, change: AgentChange): Promise<AgentRows> {
	const actor = actorOf(principal);
	const rows = unwrap(await dispatcherOf(environment, principal.team).changeAgent(params.id ?? "", change, actor));
	const { kind, ...what } = change;
	log("info", LOGGED[kind], { request_id: requestId, actor, agent: rows.agent.id, name: rows.agent.name, ...what });
	return rows;
}

/** Removes the agent that the address names. @throws ApiError `not_found` */
export async function removeAgent({ environment, principal, params, requestId }: Person): Promise<void> {
	const actor = actorOf(principal);
	const name = unwrap(await dispatcherOf(environment, principal.team).removeAgent(params.id ?? "", actor));
	log("info", "agent removed", { request_id: requestId, actor, agent: params.id, name });
}

/** PATCH /agents/:id: which jobs it may take from now on. What it runs it finishes. */
async function restrict(context: Person): Promise<Response> {
	onlyParameters(context.url, []);
	const change = await readJson(context.request, agentChange);
	return json(presentAgent(await changeAgent(context, { kind: "restrict", ...change })));
}

async function disable(context: Person): Promise<Response> {
	onlyParameters(context.url, []);
	const { running } = await readJson(context.request, disableRequest);
	return json(presentAgent(await changeAgent(context, { kind: "disable", cancel: running === "cancel" })));
}

/** A change that has nothing to be said of it. */
function changing(kind: "enable" | "drain" | "rotate") {
	return async (context: Person): Promise<Response> => {
		onlyParameters(context.url, []);
		await readJson(context.request, noFields);
		return json(presentAgent(await changeAgent(context, { kind })));
	};
}

async function remove(context: Person): Promise<Response> {
	onlyParameters(context.url, []);
	await removeAgent(context);
	return new Response(null, { status: 204 });
}

export const manageAgentRoutes = [
	route("GET", "/api/v1/agents", ["user", "host"], list),
	route("GET", "/api/v1/agents/:id", ["user"], get),
	route("PATCH", "/api/v1/agents/:id", ["user"], restrict),
	route("DELETE", "/api/v1/agents/:id", ["user"], remove),
	route("POST", "/api/v1/agents/:id/disable", ["user"], disable),
	route("POST", "/api/v1/agents/:id/enable", ["user"], changing("enable")),
	route("POST", "/api/v1/agents/:id/drain", ["user"], changing("drain")),
	route("POST", "/api/v1/agents/:id/rotate", ["user"], changing("rotate")),
];
