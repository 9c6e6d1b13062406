import type { RequestContext, Route } from "../http/route.ts";
import type { Principal } from "../identity/principal.ts";
import { greatestRoleOf, roleIn, withProjectRoles } from "../identity/project_roles.ts";
import { projectOfRequest } from "./project_of_request.ts";

/**
 * A caller acts with the role that they have in the project that a request is about. Where only the
 * body names the project, they get in with their greatest role, and the handler looks again.
 */
export async function raiseRole(
	route: Route,
	principal: Principal,
	context: Pick<RequestContext, "environment" | "params" | "url">,
): Promise<Principal> {
	if (principal.kind !== "user" || principal.personId === null) return principal;
	const user = await withProjectRoles(context.environment.DB, principal);
	// A place in the queue is taken from all projects.
	if (route.action === "queue.reorder" || greatestRoleOf(user) === user.role) return user;
	const thing = await projectOfRequest(route, { ...context, principal: user });
	if (thing === null || thing === "checked by its handler") return user;
	return { ...user, role: roleIn(user, thing.name) };
}
