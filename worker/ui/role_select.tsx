import type { Role } from "../../schema/wire/permissions.ts";

/** A field for one of these roles. @param chosen the selected one; a form may bring back what is none of them */
export function RoleSelect({ roles, chosen }: { roles: readonly Role[]; chosen: string }) {
	return (
		<select name="role" aria-label="Role">
			{roles.map((role) => (
				<option key={role} value={role} selected={role === chosen}>
					{role}
				</option>
			))}
		</select>
	);
}
