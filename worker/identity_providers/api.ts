import * as wire from "../../schema/wire/identity_providers.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { providersFor, putProvider, removeProvider } from "./service.ts";

type Caller = RequestContext<"user">;

async function list(context: Caller): Promise<Response> {
	return json({ items: await providersFor(context), next_cursor: null });
}

async function put(context: Caller & Bodied<typeof wire.identityProviderRequest>): Promise<Response> {
	const { provider, isNew } = await putProvider(context, await context.readBody());
	return json(provider, isNew ? 201 : 200);
}

async function remove(context: Caller): Promise<Response> {
	await removeProvider(context);
	return new Response(null, { status: 204 });
}

export const identityProviderRoutes = [
	route({
		method: "GET",
		path: "/api/v1/identity-providers",
		allow: ["user"],
		action: "identity_providers.manage",
		description: { summary: "The identity providers with which people sign in", answers: { 200: listOf(wire.identityProvider) } },
		handle: list,
	}),
	route({
		method: "PUT",
		path: "/api/v1/identity-providers/:name",
		allow: ["user"],
		action: "identity_providers.manage",
		description: {
			summary: "Add or change an identity provider, once it has answered",
			answers: { 200: wire.identityProvider, 201: wire.identityProvider },
		},
		body: wire.identityProviderRequest,
		handle: put,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/identity-providers/:name",
		allow: ["user"],
		action: "identity_providers.manage",
		description: { summary: "Remove an identity provider with its accounts, and end their sessions", answers: { 204: null } },
		handle: remove,
	}),
];
