import { ROLES } from "../../../schema/wire/permissions.ts";
import type { ProjectRole } from "../../../schema/wire/project_roles.ts";
import { mayReaderPost } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { RoleSelect } from "../../ui/role_select.tsx";
import { Ago } from "../../ui/words.tsx";

/** The people with a greater role in a project, for those who may give roles. */
export function RolesView({ project, roles }: { project: string; roles: readonly ProjectRole[] }) {
	const path = `/projects/${project}/roles`;
	if (!mayReaderPost(path)) return null;
	return (
		<>
			<h2>Roles in this project</h2>
			<p class="soft">Everybody has at least their role of the team.</p>
			<ul class="list">
				{roles.map(({ person, role, team_role, granted_by, granted_at }) => (
					<li key={person} class="row token">
						<span class="grow">
							<b>{person}</b>
							{` · ${role} here, ${team_role} in the team`}
							<br />
							<span class="soft">
								{`given by ${granted_by} `}
								<Ago at={granted_at} />
							</span>
						</span>
						<PostForm action={`${path}/${person}/take`}>
							<button type="submit" class="danger">
								Take it again
							</button>
						</PostForm>
					</li>
				))}
			</ul>
			<PostForm action={path} class="row">
				<input name="person" placeholder="name of a person" aria-label="Name of a person" required autoComplete="off" />
				<RoleSelect roles={ROLES.filter((role) => role !== "operator")} chosen="maintainer" />
				<button type="submit">Give the role</button>
			</PostForm>
		</>
	);
}
