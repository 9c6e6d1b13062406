import { notFound } from "../../schema/wire/errors.ts";
import { MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";
import type { Page } from "../../schema/wire/resources.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import * as sessions from "../../schema/wire/sessions.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { endSession, endSessions, listSessions } from "../identity/sessions_store.ts";
import { log } from "../platform/logger.ts";

/** Who is signed in to the status page: to be looked at and to be ended. */

type Caller = RequestContext<"user">;

/** The live sessions, newest first, at most as many as a list may have. */
export async function sessionsOf({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<Session[]> {
	const found = await listSessions(environment.DB, principal.team, Date.now(), MAX_LIST_LIMIT);
	return found.map(({ session, token }) => ({
		id: session.id,
		name: token.name,
		user_agent: session.user_agent,
		address: session.address,
		created_at: new Date(session.created_at).toISOString(),
		expires_at: new Date(session.expires_at).toISOString(),
		is_current: session.id === principal.sessionId,
	}));
}

async function list(context: Caller): Promise<Response> {
	return json({ items: await sessionsOf(context), next_cursor: null } satisfies Page<Session>);
}

async function end(context: Caller): Promise<Response> {
	await endOne(context);
	return new Response(null, { status: 204 });
}

/** Ends the session that the path names. @throws ApiError `not_found` */
export async function endOne({
	params,
	environment,
	principal,
	requestId,
}: Pick<Caller, "params" | "environment" | "principal" | "requestId">): Promise<void> {
	const id = params.id ?? "";
	if (!(await endSession(environment.DB, principal.team, id))) throw notFound("session", id);
	log("info", "session ended", { request_id: requestId, session: id, actor: actorOf(principal) });
}

/** DELETE /sessions: everybody signs in again, whoever asks for it included. */
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
		description: { summary: "Browsers that are signed in to the status page", answers: { 200: listOf(sessions.session) } },
		handle: list,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/sessions",
		allow: ["user"],
		description: { summary: "End all sessions", answers: { 204: null } },
		handle: endAll,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/sessions/:id",
		allow: ["user"],
		description: { summary: "End a session", answers: { 204: null } },
		handle: end,
	}),
];
