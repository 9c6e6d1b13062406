import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { may } from "../../schema/wire/permissions.ts";
import type { RequestContext, Route } from "../http/route.ts";
import { assertOwnOrigin } from "../identity/origin.ts";
import { invalidToken, type Principal } from "../identity/principal.ts";
import { greatestRoleOf } from "../identity/project_roles.ts";
import { roleError } from "../identity/role_error.ts";
import { isVisitor } from "../identity/visitors.ts";
import { projectOfRequest } from "./project_of_request.ts";

/** Whether a caller may use a route: by what they are, by their role, and by the projects of their token. */

/**
 * @throws ApiError `authentication_required` without a token; `forbidden` for a caller or a role
 * that the route does not allow; `not_found` for something of a project that the token does not open
 */
export async function authorize(route: Route, context: RequestContext): Promise<void> {
	const { principal, request, ownOrigins } = context;
	if (!route.allow.includes(principal.kind)) throw notAllowed(route, principal);
	if (principal.kind !== "user" || route.allow.includes("anyone")) return;
	assertRole(route, principal);
	if (principal.sessionId !== null && route.method !== "GET") assertOwnOrigin(request, ownOrigins);
	if (principal.projects !== null && !isVisitor(principal)) await assertScope(route, { ...context, principal }, principal.projects);
}

function notAllowed({ allow }: Route, { kind }: Principal): ApiError {
	if (kind === "anyone") {
		return new ApiError("authentication_required", "This request needs a token.", {
			suggestions: [
				"Sign in at /sign-in, or set WINDLASS_API_TOKEN for the windlass commands.",
				"The coordinator printed the admin token at its first start. windlass token reset-admin makes a new one. Under wrangler it is ADMIN_TOKEN.",
			],
			headers: { "WWW-Authenticate": "Bearer" },
		});
	}
	// Nobody has checked the secrets of these: the answer must not say whether their team exists.
	if (kind === "agent" || kind === "registration") return invalidToken();
	return new ApiError("forbidden", `A token of kind ${kind} may not use this address.`, {
		details: { allowed: allow },
		suggestions: [`Use a token of kind ${allow.join(" or ")}.`],
	});
}

/** A route without an action is closed to people. Where the body names the project, the handler looks again. */
function assertRole({ action, scope }: Route, user: Extract<Principal, { kind: "user" }>): void {
	const role = scope === "body" ? greatestRoleOf(user) : user.role;
	if (action === undefined || !may(role, action)) throw roleError(user.name, user.role, action);
}

async function assertScope(route: Route, context: RequestContext<"user">, projects: readonly string[]): Promise<void> {
	// A page shows the queue and the agents of the whole team beside what it is about.
	if (!route.path.startsWith("/api/v1/")) {
		throw new ApiError("forbidden", "A token for some projects opens no page.", {
			details: { projects },
			suggestions: ["Use it with the windlass commands or the API."],
		});
	}
	const project = await projectOfRequest(route, context);
	if (project === "checked by its handler") return;
	if (project === null) {
		throw new ApiError("forbidden", `This token opens ${projects.join(", ")} only, and this address is not of one project.`, {
			details: { projects },
			suggestions: [
				route.query && "project" in route.query ? `Add project=${projects[0]} to the address.` : "Use a token without projects for this.",
			],
		});
	}
	if (!projects.includes(project.name)) throw notFound(project.of, project.id);
}
