import { mayReaderPost } from "../../ui/parts.ts";
import type { ProjectStrip } from "../strips.ts";
import { type FormProps, ProjectForm } from "./project_form.tsx";
import { ProjectStrips } from "./project_strips.tsx";

/** All projects with their states, and the form for a new project. */
export function ProjectsPage({ strips, form }: { strips: readonly ProjectStrip[]; form: FormProps }) {
	return (
		<section>
			<h1>Projects</h1>
			{strips.length === 0 && <p class="empty">No projects yet. Runs without a project belong to “adhoc”.</p>}
			{strips.length > 0 && <ProjectStrips strips={strips} total={strips.length} />}
			{mayReaderPost("/projects") && (
				<details open={strips.length === 0 || form.errors.length > 0 || form.message !== null}>
					<summary>
						<h2 class="inline">New project</h2>
					</summary>
					<ProjectForm action="/projects" button="Create" isNew {...form} />
				</details>
			)}
		</section>
	);
}
