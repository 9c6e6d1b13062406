import type { FieldError } from "../../schema/wire/errors.ts";
import type { Project } from "../../schema/wire/projects.ts";
import type { Page, RunSummary } from "../../schema/wire/resources.ts";
import type { Secret } from "../../schema/wire/secrets.ts";
import { RunTable } from "./runs_page.tsx";
import { Ago } from "./words.tsx";

/** The settings of a project, as its form asks for them. */
export const PROJECT_FIELDS = [
	{
		key: "repository",
		label: "Repository",
		hint: "what its runs are made of, unless they say otherwise",
		example: "https://git.lan/team/web.git",
	},
	{ key: "default_branch", label: "Main line", hint: "", example: "main" },
	{
		key: "credentials",
		label: "Credentials",
		hint: "the name of a secret with user:password, or a token, for a repository over HTTP",
		example: "",
	},
	{
		key: "config",
		label: "Config",
		hint: "the file, or the folder of files, that says what is to be run",
		example: ".windlass.yml or .windlass/",
	},
	{
		key: "hook_secret",
		label: "Hook secret",
		hint: "the name of the secret that deliveries of the forge are signed with; without it none is taken",
		example: "",
	},
	{ key: "forge", label: "Forge", hint: "github, gitea (Forgejo, too) or gitlab: where commit statuses are sent", example: "" },
	{ key: "forge_api", label: "API of the forge", hint: "unless it is where the repository is", example: "https://git.lan/api/v1" },
	{ key: "forge_token", label: "Token for the forge", hint: "the name of the secret that holds it", example: "" },
	{ key: "status_context", label: "Status context", hint: "what the names of commit statuses begin with", example: "windlass" },
	{ key: "keep_runs", label: "Keep runs", hint: "as long as those of other projects, unless it says otherwise", example: "90d" },
	{ key: "keep_logs", label: "Keep logs", hint: "", example: "30d" },
	{ key: "keep_artifacts", label: "Keep artifacts", hint: "", example: "14d" },
	{ key: "public_badges", label: "Badges for everybody", hint: "yes, or nothing", example: "" },
] as const satisfies readonly { key: keyof Project; label: string; hint: string; example: string }[];

/** What a form of a project holds: texts, as they were filled in. */
export type ProjectFields = Record<"name" | (typeof PROJECT_FIELDS)[number]["key"], string>;

interface FormProps {
	fields: ProjectFields;
	faults: readonly FieldError[];
	message: string | null;
}

/** All projects, and a form for another. */
export function ProjectsPage({ projects, form }: { projects: readonly Project[]; form: FormProps }) {
	return (
		<section>
			<h1>Projects</h1>
			{projects.length === 0 && <p class="empty">No projects yet. Runs that belong to none are numbered in “adhoc”.</p>}
			{projects.length > 0 && (
				<table>
					<thead>
						<tr>
							<th>Project</th>
							<th>Repository</th>
							<th>Main line</th>
							<th>Changed</th>
						</tr>
					</thead>
					<tbody>
						{projects.map((project) => (
							<tr key={project.id}>
								<td>
									<a href={`/projects/${project.name}`}>
										<strong>{project.name}</strong>
									</a>
								</td>
								<td>{project.repository ?? <span class="muted">none</span>}</td>
								<td>{project.default_branch}</td>
								<td>
									<Ago at={project.updated_at} />
								</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
			<h2>New project</h2>
			<ProjectForm action="/projects" button="Create" isNew {...form} />
		</section>
	);
}

interface ProjectPageProps {
	project: Project;
	runs: Page<RunSummary>;
	secrets: readonly Secret[];
	form: FormProps;
}

/** One project: its runs, the names of its secrets, and what can be changed. */
export function ProjectPage({ project, runs, secrets, form }: ProjectPageProps) {
	return (
		<section>
			<h1>{project.name}</h1>
			<h2>Runs</h2>
			{runs.items.length === 0 ? <p class="muted">None yet.</p> : <RunTable runs={runs.items} />}
			{runs.next_cursor !== null && (
				<p>
					<a href={`/projects/${project.name}?cursor=${runs.next_cursor}`}>Older runs →</a>
				</p>
			)}
			<h2>Secrets</h2>
			{secrets.length === 0 && (
				<p class="muted">
					None. <code>{`windlass secrets set <name> --project ${project.name}`}</code>
				</p>
			)}
			{secrets.length > 0 && (
				<ul class="secrets">
					{secrets.map((one) => (
						<li key={`${one.project} ${one.name}`}>
							<code>{one.name}</code> <span class="muted">{one.project === null ? "of every project, set " : "set "}</span>
							<Ago at={one.updated_at} />
						</li>
					))}
				</ul>
			)}
			<h2>Settings</h2>
			<ProjectForm action={`/projects/${project.name}`} button="Save" isNew={false} {...form} />
			<form method="post" action={`/projects/${project.name}/delete`}>
				<button type="submit" class="danger">
					Remove the project and its secrets
				</button>
			</form>
		</section>
	);
}

function ProjectForm({ action, button, isNew, fields, faults, message }: FormProps & { action: string; button: string; isNew: boolean }) {
	return (
		<form method="post" action={action} class="new-run">
			{message && <p class="reason">{message}</p>}
			{faults.length > 0 && (
				<ul class="faults">
					{faults.map((one) => (
						<li key={one.path}>
							<code>{one.path} </code>
							{one.message}
						</li>
					))}
				</ul>
			)}
			{isNew && (
				<label>
					Name
					<input name="name" value={fields.name} required />
				</label>
			)}
			{PROJECT_FIELDS.map(({ key, label, hint, example }) => (
				<label key={key}>
					{label} {hint && <span class="muted">– {hint}</span>}
					<input name={key} value={fields[key]} placeholder={example} />
				</label>
			))}
			<button type="submit">{button}</button>
		</form>
	);
}
