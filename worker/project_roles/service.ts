import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { isAtLeast, type Role } from "../../schema/wire/permissions.ts";
import type { ProjectRole } from "../../schema/wire/project_roles.ts";
import type { RequestContext } from "../http/route.ts";
import { revokeProjectTokens } from "../identity/tokens_store.ts";
import { findPersonNamed } from "../people/service.ts";
import { requireProject } from "../record/require.ts";
import * as store from "./store.ts";

/** Gives people greater roles in single projects. */

type Caller = RequestContext<"user">;

/** @throws ApiError `not_found` */
export async function rolesIn(context: Pick<Caller, "environment" | "principal" | "params">): Promise<ProjectRole[]> {
	const { team, name } = await requireProject(context);
	const rows = await store.listRoles(context.environment.DB, team, name);
	return rows.map(({ granted, person }) => ({
		...{ person: person.name, role: granted.role, team_role: person.role },
		...{ granted_by: granted.granted_by, granted_at: new Date(granted.granted_at).toISOString() },
	}));
}

/**
 * Gives the person of the path a role in the project of the path.
 * @throws ApiError `not_found`; `forbidden` for a role above the caller's there; `conflict` for the caller
 */
export async function grantRole(context: Caller, role: Role): Promise<void> {
	const { environment, principal } = context;
	const { team, name: project } = await requireProject(context);
	const person = await changeable(context);
	assertGrants(context, role);
	const granted = { granted_by: principal.name, granted_at: Date.now() };
	const before = (await rolesIn(context)).find((one) => one.person === person.name)?.role ?? null;
	await store.putRole(environment.DB, { team, project, person_id: person.id, role, ...granted });
	Object.assign(context.noted, { project, person: person.name, role, before });
}

/** Takes the role again. @throws ApiError `not_found`, `forbidden` and `conflict` as `grantRole` does */
export async function takeRole(context: Caller): Promise<void> {
	const { team, name: project } = await requireProject(context);
	const person = await changeable(context);
	const [present] = (await rolesIn(context)).filter((one) => one.person === person.name);
	if (!present) throw notFound("role", `${person.name} in ${project}`);
	assertGrants(context, present.role);
	await store.removeRole(context.environment.DB, team, project, person.id);
	// They made these with the role.
	await revokeProjectTokens(context.environment.DB, { team, project, madeBy: person.name }, Date.now());
	Object.assign(context.noted, { project, person: person.name, role: null, before: present.role });
}

/** The person of the path. @throws ApiError `not_found`; `conflict` for the caller */
async function changeable({ environment, principal, params }: Caller): Promise<{ id: string; name: string }> {
	const name = params.person ?? "";
	const person = await findPersonNamed(environment.DB, principal.team, name);
	if (!person) throw notFound("person", name);
	if (principal.projects !== null) {
		throw new ApiError("forbidden", "A token for some projects gives no roles: it would outlive the role of who made it.", {
			suggestions: ["Ask a person who is admin of the project."],
		});
	}
	if (person.id === principal.personId) {
		throw new ApiError("conflict", "Nobody changes their own role.", { suggestions: ["Ask another admin."] });
	}
	return person;
}

/** Nobody gives or takes a role greater than their own in the project. */
function assertGrants({ principal }: Caller, role: Role): void {
	if (isAtLeast(principal.role, role)) return;
	throw new ApiError("forbidden", `${principal.name} is ${principal.role} here, and does not decide about the role ${role}.`, {
		details: { role: principal.role },
		suggestions: [`Ask a person with the role ${role}.`],
	});
}
