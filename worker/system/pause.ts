import { pauseRequest, type QueueState } from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { readJson } from "../http/bodies.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import type { Pause } from "../queue/core/leases/pause.ts";

type Caller = RequestContext<"user" | "host">;

/** Whether the queue gives out work. */
async function get({ url, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, []);
	return json(presentQueue(await dispatcherOf(environment, principal.team).readPause()));
}

/** POST /queue/pause: what runs goes on, what is submitted waits. */
async function pause({ request, url, environment, principal, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const { reason } = await readJson(request, pauseRequest);
	const paused = await dispatcherOf(environment, principal.team).pause(actorOf(principal), reason ?? null);
	log("info", "queue paused", { request_id: requestId, actor: paused.actor, reason: paused.reason });
	return json(presentQueue(paused));
}

async function resume({ url, environment, principal, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	await dispatcherOf(environment, principal.team).resume();
	log("info", "queue resumed", { request_id: requestId, actor: actorOf(principal) });
	return json(presentQueue(null));
}

/** Whether the queue is paused, in the words of the API. */
export function presentQueue(pause: Pause | null): QueueState {
	if (!pause) return { paused: false, paused_by: null, reason: null, paused_at: null };
	return { paused: true, paused_by: pause.actor, reason: pause.reason, paused_at: new Date(pause.at).toISOString() };
}

export const queueRoutes = [
	route("GET", "/api/v1/queue", ["user", "host"], get),
	route("POST", "/api/v1/queue/pause", ["user", "host"], pause),
	route("POST", "/api/v1/queue/resume", ["user", "host"], resume),
];
