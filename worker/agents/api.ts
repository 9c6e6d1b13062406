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

/** A change that has nothing to be said of it. */
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

/** PATCH /agents/:id: which jobs it may take from now on. What it runs it finishes. */
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
		description: { summary: "Agents, and what they run", answers: { 200: listOf(resources.agent) } },
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		description: { summary: "An agent, and what it runs", answers: { 200: resources.agent } },
		handle: get,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		description: {
			summary: "Say which jobs an agent may take; what it runs it finishes, what is not given stays",
			answers: { 200: resources.agent },
		},
		body: agents.agentChange,
		handle: restrict,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/agents/:id",
		allow: ["user"],
		description: {
			summary: "Remove an agent: its token is invalid at once, what it runs is lost and retried elsewhere",
			answers: { 204: null },
		},
		handle: remove,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/disable",
		allow: ["user"],
		description: {
			summary: "Give an agent nothing new until it is enabled; its jobs finish, or are cancelled",
			answers: { 200: resources.agent },
		},
		body: agents.disableRequest,
		handle: disable,
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/enable",
		allow: ["user"],
		description: { summary: "Give a disabled agent jobs again", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("enable"),
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/drain",
		allow: ["user"],
		description: { summary: "Have the process of an agent finish what it runs, and end", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("drain"),
	}),
	route({
		method: "POST",
		path: "/api/v1/agents/:id/rotate",
		allow: ["user"],
		description: { summary: "Have an agent get itself another token", answers: { 200: resources.agent } },
		body: agents.noFields,
		handle: changing("rotate"),
	}),
];
