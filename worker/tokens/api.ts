import { ACTIONS, type Action, may } from "../../schema/wire/permissions.ts";
import * as tokens from "../../schema/wire/tokens.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { roleIn } from "../identity/project_roles.ts";
import { makeToken, revokeToken, rotateToken, tokensFor } from "./service.ts";

type Caller = RequestContext<"user">;

async function create(context: Caller & Bodied<typeof tokens.tokenRequest>): Promise<Response> {
	return json(await makeToken(context, await context.readBody()), 201);
}

async function list(context: Caller): Promise<Response> {
	return json({ items: await tokensFor(context), next_cursor: null });
}

async function rotate(context: Caller & Bodied<typeof tokens.tokenRotation>): Promise<Response> {
	const { expires_in } = await context.readBody();
	return json(await rotateToken(context, context.params.id ?? "", expires_in));
}

async function revoke(context: Caller): Promise<Response> {
	await revokeToken(context, context.params.id ?? "");
	return new Response(null, { status: 204 });
}

/** GET /whoami: who the token is, and what it may do. */
function whoami({ principal }: Caller): Response {
	const { team, home, name, role, projects, tokenId, personId, expiresAt, projectRoles } = principal;
	const greater = Object.keys(projectRoles).filter((project) => roleIn(principal, project) !== role);
	return json({
		...{ team, home, name, role, projects: projects === null ? null : [...projects] },
		token_id: tokenId === personId ? null : tokenId,
		expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
		project_roles: Object.fromEntries(greater.map((project) => [project, roleIn(principal, project)])),
		may: (Object.keys(ACTIONS) as Action[]).filter((action) => may(role, action)),
	} satisfies tokens.Caller);
}

export const tokenRoutes = [
	route({
		method: "GET",
		path: "/api/v1/whoami",
		allow: ["user"],
		action: "own.tokens",
		scope: "body",
		description: { summary: "Who the token is, and what it may do", answers: { 200: tokens.caller } },
		handle: whoami,
	}),
	route({
		method: "POST",
		path: "/api/v1/tokens",
		allow: ["user"],
		action: "own.tokens",
		description: { summary: "Make a token; only this answer has it", answers: { 201: tokens.createdToken } },
		body: tokens.tokenRequest,
		handle: create,
	}),
	route({
		method: "GET",
		path: "/api/v1/tokens",
		allow: ["user"],
		action: "own.tokens",
		description: { summary: "The live tokens that you made; for an admin all", answers: { 200: listOf(tokens.token) } },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/tokens/:id/rotate",
		allow: ["user"],
		action: "own.tokens",
		description: { summary: "Give a token another secret; the former one is invalid at once", answers: { 200: tokens.createdToken } },
		body: tokens.tokenRotation,
		handle: rotate,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/tokens/:id",
		allow: ["user"],
		action: "own.tokens",
		description: { summary: "Revoke a token at once, with the sessions that it opened", answers: { 204: null } },
		handle: revoke,
	}),
];
