export { signInOffer } from "./sign_in_offer.ts";

import { notFound } from "../../schema/wire/errors.ts";
import { MAX_LIST_LIMIT } from "../../schema/wire/limits.ts";
import { may } from "../../schema/wire/permissions.ts";
import type { Session } from "../../schema/wire/sessions.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { endSession, listSessions } from "../identity/sessions_store.ts";
import { log } from "../platform/logger.ts";

/** Lists and ends sessions of the status page. */

type Caller = RequestContext<"user">;

/** The live sessions of the caller's token, for an admin all, newest first, up to the limit of lists. */
export async function sessionsOf({ environment, principal }: Pick<Caller, "environment" | "principal">): Promise<Session[]> {
	const found = await listSessions(environment.DB, principal.team, Date.now(), MAX_LIST_LIMIT);
	const isSeen = (tokenId: string) => tokenId === principal.tokenId || may(principal.role, "sessions.end_all");
	return found
		.filter(({ token }) => isSeen(token.id))
		.map(({ session, token }) => ({
			id: session.id,
			name: token.name,
			user_agent: session.user_agent,
			address: session.address,
			created_at: new Date(session.created_at).toISOString(),
			expires_at: new Date(session.expires_at).toISOString(),
			is_current: session.id === principal.sessionId,
		}));
}

/** Ends the session that the path names: one of the caller's token, for an admin any. @throws ApiError `not_found` */
export async function endOne({
	params,
	environment,
	principal,
	requestId,
}: Pick<Caller, "params" | "environment" | "principal" | "requestId">): Promise<void> {
	const id = params.id ?? "";
	const ofToken = may(principal.role, "sessions.end_all") ? null : principal.tokenId;
	if (!(await endSession(environment.DB, principal.team, id, ofToken))) throw notFound("session", id);
	log("info", "session ended", { request_id: requestId, session: id, actor: actorOf(principal) });
}
