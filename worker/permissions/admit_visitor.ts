import type { RequestContext, Route } from "../http/route.ts";
import type { Principal } from "../identity/principal.ts";
import { isPublicProject, teamsWithPublicProjects, visitorOf } from "../identity/visitors.ts";
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
	const { DB } = context.environment;
	// No two public projects have the same name, whatever their teams.
	for (const team of await teamsWithPublicProjects(DB)) {
		const thing = await projectOfRequest(route, { ...context, principal: { team } });
		if (thing === null || thing === "checked by its handler") return principal;
		if (await isPublicProject(DB, team, thing.name)) return visitorOf(team, thing.name);
	}
	return principal;
}
