import * as logins from "../../schema/wire/logins.ts";
import { json } from "../http/answers.ts";
import { type AnonymousContext, type Bodied, route } from "../http/route.ts";
import { ask, claim } from "./service.ts";

/** What `windlass login` asks, before it has a token. */

async function create(context: AnonymousContext & Bodied<typeof logins.loginRequest>): Promise<Response> {
	const { machine } = await context.readBody();
	return json(await ask(context, machine), 201);
}

async function claimToken(context: AnonymousContext & Bodied<typeof logins.loginClaim>): Promise<Response> {
	const { secret } = await context.readBody();
	return json(await claim(context, secret));
}

export const loginRoutes = [
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
