import * as z from "zod";
import { readJson } from "../http/bodies.ts";
import { type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { resumeDeliveries } from "../webhooks/take_delivery.ts";

/** Why nothing new is to be accepted; null if there is room. */
const diskNote = z.strictObject({ error: z.string().max(500).nullable() });

/** Called when the tokens are in place, before anybody else is served: the queue brings its schema up to date. */
async function prepare({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepare(environment.BOOT_ID ?? "");
	return new Response(null, { status: 204 });
}

/** Called after each start, and when the disk has become too full for new work, or has room again: then what forges have delivered meanwhile goes on. */
async function setDiskError({ request, environment, principal }: RequestContext<"host">): Promise<Response> {
	const { error } = await readJson(request, diskNote);
	await dispatcherOf(environment, principal.team).setDiskError(error);
	if (error === null) await resumeDeliveries(environment, Date.now());
	return new Response(null, { status: 204 });
}

/** Called when the host is about to stop on purpose. */
async function prepareStop({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepareStop();
	return new Response(null, { status: 204 });
}

export const hostRoutes = [
	route("POST", "/api/v1/host/prepare", ["host"], prepare),
	route("POST", "/api/v1/host/disk", ["host"], setDiskError),
	route("POST", "/api/v1/host/planned-stop", ["host"], prepareStop),
];
