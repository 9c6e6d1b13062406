import type { createRegistrationToken } from "../../schema/wire/agents.ts";
import * as agents from "../../schema/wire/agents.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { presentRegistrationToken } from "./present.ts";
import { makeRegistrationToken, revokeToken } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

async function create(context: Caller & Bodied<typeof createRegistrationToken>): Promise<Response> {
	return json(await makeRegistrationToken(context, await context.readBody()), 201);
}

async function list({ environment, principal }: RequestContext<"user">): Promise<Response> {
	const tokens = await dispatcherOf(environment, principal.team).listRegistrationTokens();
	return json({ items: tokens.map(presentRegistrationToken), next_cursor: null });
}

async function revoke(context: RequestContext<"user">): Promise<Response> {
	await revokeToken(context);
	return new Response(null, { status: 204 });
}

export const agentTokenRoutes = [
	route({
		method: "POST",
		path: "/api/v1/agent-tokens",
		allow: ["user", "host"],
		action: "agents.manage",
		description: {
			summary: "Create a registration token for agents, valid for at most 90 days",
			answers: { 201: agents.registrationToken },
		},
		ignoresUnknown: true,
		body: agents.createRegistrationToken,
		handle: create,
	}),
	route({
		method: "GET",
		path: "/api/v1/agent-tokens",
		allow: ["user"],
		action: "agents.manage",
		description: {
			summary: "The unexpired registration tokens, newest first, without their secrets",
			answers: { 200: listOf(agents.registrationTokenSummary) },
		},
		handle: list,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/agent-tokens/:id",
		allow: ["user"],
		action: "agents.manage",
		description: { summary: "Revoke a registration token; its registered agents stay", answers: { 204: null } },
		handle: revoke,
	}),
];
