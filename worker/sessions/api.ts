import type { Page } from "../../schema/wire/resources.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import * as sessions from "../../schema/wire/sessions.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf, route } from "../http/route.ts";
import { endSessions } from "../identity/sessions_store.ts";
import { log } from "../platform/logger.ts";
import { endOne, sessionsOf } from "./service.ts";

type Caller = RequestContext<"user">;

async function list(context: Caller): Promise<Response> {
	return json({ items: await sessionsOf(context), next_cursor: null } satisfies Page<Session>);
}

async function end(context: Caller): Promise<Response> {
	await endOne(context);
	return new Response(null, { status: 204 });
}

/** DELETE /sessions: ends all sessions, with that of the caller. */
async function endAll({ environment, principal, requestId }: Caller): Promise<Response> {
	await endSessions(environment.DB, principal.team);
	log("info", "all sessions ended", { request_id: requestId, actor: actorOf(principal) });
	return new Response(null, { status: 204 });
}

export const sessionRoutes = [
	route({
		method: "GET",
		path: "/api/v1/sessions",
		allow: ["user"],
		action: "own.sessions",
		description: { summary: "The sessions of browsers on the status page", answers: { 200: listOf(sessions.session) } },
		handle: list,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/sessions",
		allow: ["user"],
		action: "sessions.end_all",
		description: { summary: "End all sessions", answers: { 204: null } },
		handle: endAll,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/sessions/:id",
		allow: ["user"],
		action: "own.sessions",
		description: { summary: "End a session", answers: { 204: null } },
		handle: end,
	}),
];
