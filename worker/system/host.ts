import * as z from "zod";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { resumeDeliveries } from "../webhooks/service.ts";

/** Why nothing new is to be accepted; null if there is room. */
const diskNote = z.strictObject({ error: z.string().max(500).nullable() });

/** Called when the tokens are in place, before anybody else is served: the queue brings its schema up to date. */
async function prepare({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepare(environment.BOOT_ID ?? "");
	return new Response(null, { status: 204 });
}

/** Called after each start, and when the disk has become too full for new work, or has room again: then what forges have delivered meanwhile goes on. */
async function setDiskError({ readBody, environment, principal }: RequestContext<"host"> & Bodied<typeof diskNote>): Promise<Response> {
	const { error } = await readBody();
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
	route({ method: "POST", path: "/api/v1/host/prepare", allow: ["host"], handle: prepare }),
	route({ method: "POST", path: "/api/v1/host/disk", allow: ["host"], body: diskNote, handle: setDiskError }),
	route({ method: "POST", path: "/api/v1/host/planned-stop", allow: ["host"], handle: prepareStop }),
];
