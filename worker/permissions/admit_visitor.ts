import type { RequestContext, Route } from "../http/route.ts";
import type { Principal } from "../identity/principal.ts";
import { isPublicProject, visitorOf } from "../identity/visitors.ts";
import { DEFAULT_TEAM } from "../platform/team.ts";
import { projectOfRequest } from "./project_of_request.ts";

/**
 * Who has not signed in becomes a visitor where a route is open to visitors and is about a public
 * project. For any other project the answer is the same as for one that does not exist.
 */
export async function admitVisitor(
	route: Route,
	principal: Principal,
	context: Pick<RequestContext, "environment" | "params" | "url">,
): Promise<Principal> {
	if (principal.kind !== "anyone" || route.visitors !== true) return principal;
	const thing = await projectOfRequest(route, { ...context, principal: { team: DEFAULT_TEAM } });
	if (thing === null || thing === "checked by its handler") return principal;
	const isOpen = await isPublicProject(context.environment.DB, DEFAULT_TEAM, thing.name);
	return isOpen ? visitorOf(DEFAULT_TEAM, thing.name) : principal;
}
