import * as logins from "../../schema/wire/logins.ts";
import { json } from "../http/answers.ts";
import { type AnonymousContext, type Bodied, route } from "../http/route.ts";
import { publicKeys } from "../identity/access_token.ts";
import { EVERYONE } from "../system/service.ts";
import { ask, claim } from "./service.ts";
import { refresh } from "./token_pairs.ts";

/** What `windlass login` asks, before it has a token. */

async function create(context: AnonymousContext & Bodied<typeof logins.loginRequest>): Promise<Response> {
	const { machine } = await context.readBody();
	return json(await ask(context, machine), 201);
}

async function claimToken(context: AnonymousContext & Bodied<typeof logins.loginClaim>): Promise<Response> {
	const { secret } = await context.readBody();
	return json(await claim(context, secret));
}

async function refreshPair(context: AnonymousContext & Bodied<typeof logins.refreshRequest>): Promise<Response> {
	const { refresh_token } = await context.readBody();
	return json(await refresh(context, refresh_token), 200, { "Cache-Control": "no-store" });
}

async function keys({ environment }: AnonymousContext): Promise<Response> {
	return json(await publicKeys(environment), 200, { "Cache-Control": "public, max-age=300" });
}

export const loginRoutes = [
	route({
		method: "GET",
		path: "/.well-known/jwks.json",
		allow: EVERYONE,
		description: { summary: "The keys that verify access tokens (RFC 7517)", answers: { 200: logins.jwks } },
		ignoresUnknown: true,
		handle: keys,
	}),
	route({
		method: "POST",
		path: "/api/v1/logins/refresh",
		limit: "sign-in",
		allow: ["anyone"],
		claims: () => ({ name: "refresh token", key: null }),
		description: {
			summary: "The next access and refresh token of a command; a second use ends the sign-in",
			answers: { 200: logins.refreshed },
		},
		body: logins.refreshRequest,
		handle: refreshPair,
	}),
	route({
		method: "POST",
		path: "/api/v1/logins",
		limit: "sign-in",
		allow: ["anyone"],
		description: { summary: "A command asks to act as a person, who decides on the page of the answer", answers: { 201: logins.login } },
		body: logins.loginRequest,
		handle: create,
	}),
	route({
		method: "POST",
		path: "/api/v1/logins/claim",
		limit: "sign-in",
		allow: ["anyone"],
		claims: () => ({ name: "login", key: null }),
		description: { summary: "Claim the token once the person has decided", answers: { 200: logins.claimedLogin } },
		body: logins.loginClaim,
		handle: claimToken,
	}),
];
