import * as z from "zod";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { resumeDeliveries } from "../webhooks/service.ts";

/** Why the coordinator accepts no new work; null if the disk has room. */
const diskNote = z.strictObject({ error: z.string().max(500).nullable() });

/**
 * The host calls this after it has stored its tokens and before it serves others: the queue
 * migrates its schema.
 */
async function prepare({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepare(environment.BOOT_ID ?? "");
	return new Response(null, { status: 204 });
}

/**
 * The host calls this after each start, and when the disk becomes too full or has room again. With
 * room, deliveries without an outcome are resumed.
 */
async function setDiskError({ readBody, environment, principal }: RequestContext<"host"> & Bodied<typeof diskNote>): Promise<Response> {
	const { error } = await readBody();
	await dispatcherOf(environment, principal.team).setDiskError(error);
	if (error === null) await resumeDeliveries(environment, Date.now());
	return new Response(null, { status: 204 });
}

/** The host calls this before a planned stop. */
async function prepareStop({ environment, principal }: RequestContext<"host">): Promise<Response> {
	await dispatcherOf(environment, principal.team).prepareStop();
	return new Response(null, { status: 204 });
}

export const hostRoutes = [
	route({ method: "POST", path: "/api/v1/host/prepare", allow: ["host"], handle: prepare }),
	route({ method: "POST", path: "/api/v1/host/disk", allow: ["host"], body: diskNote, handle: setDiskError }),
	route({ method: "POST", path: "/api/v1/host/planned-stop", allow: ["host"], handle: prepareStop }),
];
