import type { pauseRequest } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf, type Bodied, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { presentQueue } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

async function get({ environment, principal }: Caller): Promise<Response> {
	return json(presentQueue(await dispatcherOf(environment, principal.team).readPause()));
}

async function resume({ environment, principal, requestId }: Caller): Promise<Response> {
	await dispatcherOf(environment, principal.team).resume();
	log("info", "queue resumed", { request_id: requestId, actor: actorOf(principal) });
	return json(presentQueue(null));
}

/** POST /queue/pause: running jobs continue, submitted jobs wait. */
async function pause({ readBody, environment, principal, requestId, noted }: Caller & Bodied<typeof pauseRequest>): Promise<Response> {
	const { reason } = await readBody();
	noted.reason = reason ?? null;
	const paused = await dispatcherOf(environment, principal.team).pause(actorOf(principal), reason ?? null);
	log("info", "queue paused", { request_id: requestId, actor: paused.actor, reason: paused.reason });
	return json(presentQueue(paused));
}

export const queueRoutes = [
	route({
		method: "GET",
		path: "/api/v1/queue",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Whether the queue is paused", answers: { 200: resources.queueState } },
		handle: get,
	}),
	route({
		method: "POST",
		path: "/api/v1/queue/pause",
		allow: ["user", "host"],
		action: "queue.pause",
		description: { summary: "Pause the queue; running jobs continue", answers: { 200: resources.queueState } },
		body: resources.pauseRequest,
		handle: pause,
	}),
	route({
		method: "POST",
		path: "/api/v1/queue/resume",
		allow: ["user", "host"],
		action: "queue.pause",
		description: { summary: "Resume the queue", answers: { 200: resources.queueState } },
		handle: resume,
	}),
];
