import { ApiError } from "../../schema/wire/errors.ts";
import { ACTIONS, type Action, type Role } from "../../schema/wire/permissions.ts";

/** The error for a role that does not allow an action; of a route without one, which is closed to people. */
export function roleError(name: string, role: Role, action: Action | undefined, project: string | null = null): ApiError {
	const needed = action === undefined ? null : ACTIONS[action];
	const where = project === null ? "" : ` in ${project}`;
	return new ApiError("forbidden", `${name} is ${role}${where}, and may not ${needed === null ? "use this address" : needed.about}.`, {
		details: { role, action: action ?? null, needed: needed?.role ?? null },
		suggestions: [
			needed === null ? "See docs/permissions.md." : `This needs the role ${needed.role}. Ask an admin, or use a token with that role.`,
		],
	});
}
