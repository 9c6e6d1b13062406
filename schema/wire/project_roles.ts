import * as z from "zod";
import { ROLES } from "./permissions.ts";

/** Roles of people in single projects, above their role in the team. */

/** PUT /projects/:name/roles/:person. An operator stands above teams, and so above projects. */
export const projectRoleRequest = z.strictObject({ role: z.enum(ROLES).exclude(["operator"]) });

export const projectRole = z.object({
	/** The name of the person. */
	person: z.string(),
	role: z.enum(ROLES),
	/** Their role in the team: what is not greater than that changes nothing. */
	team_role: z.enum(ROLES),
	granted_by: z.string(),
	granted_at: z.string(),
});
export type ProjectRole = z.infer<typeof projectRole>;
