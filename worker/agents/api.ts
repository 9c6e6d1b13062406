import type { agentChange, disableRequest, noFields } from "../../schema/wire/agents.ts";
import * as agents from "../../schema/wire/agents.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { presentAgent } from "./present.ts";
import { changeAgent, removeAgent } from "./service.ts";

type Person = RequestContext<"user">;

async function list({ environment, principal }: RequestContext<"user" | "host">): Promise<Response> {
	const agents = await dispatcherOf(environment, principal.team).readAgents();
	return json({ items: agents.map(presentAgent), next_cursor: null });
}

async function get({ environment, principal, params }: Person): Promise<Response> {
	return json(presentAgent(unwrap(await dispatcherOf(environment, principal.team).readAgent(params.id ?? ""))));
}

/** A change without fields. */
function changing(kind: "enable" | "drain" | "rotate") {
	return async (context: Person & Bodied<typeof noFields>): Promise<Response> => {
		await context.readBody();
		return json(presentAgent(await changeAgent(context, { kind })));
	};
}

async function remove(context: Person): Promise<Response> {
	await removeAgent(context);
	return new Response(null, { status: 204 });
}

/** PATCH /agents/:id: which jobs the agent may claim. Its running jobs finish. */
async function restrict(context: Person & Bodied<typeof agentChange>): Promise<Response> {
	const change = await context.readBody();
	return json(presentAgent(await changeAgent(context, { kind: "restrict", ...change })));
}

async function disable(context: Person & Bodied<typeof disableRequest>): Promise<Response> {
	const { running } = await context.readBody();
	return json(presentAgent(await changeAgent(context, { kind: "disable", cancel: running === "cancel" })));
}

export const manageAgentRoutes = [
	route({
		method: "GET",
		path: "/api/v1/agents",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "The agents and their running jobs", answers: { 200: listOf(resources.agent) } },
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		action: "read",
		description: { summary: "An agent and its running jobs", answers: { 200: resources.agent } },
		handle: get,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		action: "agents.manage",
		description: {
			summary: "Set which jobs an agent may claim; its running jobs finish, omitted fields stay unchanged",
			answers: { 200: resources.agent },
		},
		body: agents.agentChange,
		handle: restrict,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		action: "agents.manage",
		description: {
			summary: "Delete an agent: its token becomes invalid, its running jobs are lost and retried on other agents",
			answers: { 204: null },
		},
		handle: remove,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/disable",
		allow: ["user"],
		action: "agents.manage",
		description: {
			summary: "Disable an agent: it gets no jobs until it is enabled; its running jobs finish or are cancelled",
			answers: { 200: resources.agent },
		},
		body: agents.disableRequest,
		handle: disable,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/enable",
		allow: ["user"],
		action: "agents.manage",
		description: { summary: "Enable a disabled agent", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("enable"),
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/drain",
		allow: ["user"],
		action: "agents.manage",
		description: { summary: "Drain an agent: its process finishes its running jobs and ends", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("drain"),
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/rotate",
		allow: ["user"],
		action: "agents.manage",
		description: { summary: "Rotate the token of an agent", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("rotate"),
	}),
];
