import { notFound } from "../../schema/wire/errors.ts";
import { type Action, may } from "../../schema/wire/permissions.ts";
import type { Principal } from "./principal.ts";
import { roleIn } from "./project_roles.ts";
import { roleError } from "./role_error.ts";

type Caller = Extract<Principal, { kind: "user" | "host" }>;

/**
 * Whether a caller may do something in a project that the body of the request names. A token may open
 * some projects only: what it does not open does not exist for it.
 * @param project null: in the team as a whole
 * @throws ApiError `not_found` for a project that the token of the caller does not open; `forbidden`
 * for a role that does not allow it there
 */
export function assertMayIn(principal: Caller, project: string | null, action: Action): void {
	if (principal.kind === "host") return;
	if (project !== null && principal.projects !== null && !principal.projects.includes(project)) throw notFound("project", project);
	const role = project === null ? principal.role : roleIn(principal, project);
	if (!may(role, action)) throw roleError(principal.name, role, action, project);
}
