import type * as z from "zod";
import * as agents from "../../schema/wire/agents.ts";
import { type createRegistrationToken, MAX_REGISTRATION_MS, type RegistrationToken } from "../../schema/wire/agents.ts";
import { parseDuration } from "../../schema/wire/duration.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { invalidParameter } from "../http/parameters.ts";
import { actorOf, type Bodied, type RequestContext, route } from "../http/route.ts";
import { randomSecret, sha256 } from "../identity/digest.ts";
import { REGISTRATION_TOKEN_PREFIX } from "../identity/principal.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { presentRegistrationToken } from "../runs/present.ts";

/** Registration tokens: with them agents join. The answer that makes one is the only one that holds it. */

type Caller = RequestContext<"user" | "host">;

/** @throws ApiError `validation_failed` */
export async function makeRegistrationToken(
	{ environment, principal, requestId }: Pick<Caller, "environment" | "principal" | "requestId">,
	{ uses, expires_in, labels, projects, runs }: z.infer<typeof createRegistrationToken>,
): Promise<RegistrationToken> {
	const ms = parseDuration(expires_in);
	if (ms === null || ms <= 0)
		throw invalidParameter("expires_in", `${JSON.stringify(expires_in)} is not a duration`, "write 10m, 24h or 30d");
	if (ms > MAX_REGISTRATION_MS)
		throw invalidParameter("expires_in", `${JSON.stringify(expires_in)} is longer than a registration token may live`, "at most 90d");
	const token = `${REGISTRATION_TOKEN_PREFIX}${principal.team}.${randomSecret()}`;
	const expiresAt = Date.now() + ms;
	const actor = actorOf(principal);
	const id = unwrap(
		await dispatcherOf(environment, principal.team).createRegistrationToken(
			{ hash: await sha256(token), uses, expiresAt, labels, projects, runs },
			actor,
		),
	);
	log("info", "registration token created", { request_id: requestId, actor, id, uses, labels, projects, runs });
	return { id, token, uses, expires_at: new Date(expiresAt).toISOString(), labels, projects, runs };
}

async function create(context: Caller & Bodied<typeof createRegistrationToken>): Promise<Response> {
	return json(await makeRegistrationToken(context, await context.readBody()), 201);
}

async function list({ environment, principal }: RequestContext<"user">): Promise<Response> {
	const tokens = await dispatcherOf(environment, principal.team).listRegistrationTokens();
	return json({ items: tokens.map(presentRegistrationToken), next_cursor: null });
}

/** Revokes the token that the address names. @throws ApiError `not_found` */
export async function revokeToken({ environment, principal, params, requestId }: RequestContext<"user">): Promise<void> {
	const actor = actorOf(principal);
	unwrap(await dispatcherOf(environment, principal.team).revokeRegistrationToken(params.id ?? "", actor));
	log("info", "registration token revoked", { request_id: requestId, actor, id: params.id });
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
		description: { summary: "A token with which agents join, valid for at most 90 days", answers: { 201: agents.registrationToken } },
		ignoresUnknown: true,
		body: agents.createRegistrationToken,
		handle: create,
	}),
	route({
		method: "GET",
		path: "/api/v1/agent-tokens",
		allow: ["user"],
		description: {
			summary: "The registration tokens that have not expired, newest first; never the tokens themselves",
			answers: { 200: listOf(agents.registrationTokenSummary) },
		},
		handle: list,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/agent-tokens/:id",
		allow: ["user"],
		description: { summary: "Revoke a registration token; agents that joined with it stay", answers: { 204: null } },
		handle: revoke,
	}),
];
