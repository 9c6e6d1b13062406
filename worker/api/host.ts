import { dispatcherOf } from "../dispatch/stub.ts";
import { type RequestContext, route } from "./context.ts";

/** Called before the LAN may connect: the queue brings its schema up to date. */
async function prepare({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepare();
	return new Response(null, { status: 204 });
}

/** Called when the host is about to stop on purpose. */
async function planStop({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).planStop();
	return new Response(null, { status: 204 });
}

export const hostRoutes = [
	route("POST", "/api/v1/host/prepare", ["host"], prepare),
	route("POST", "/api/v1/host/planned-stop", ["host"], planStop),
];
