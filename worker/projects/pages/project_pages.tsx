import { SUBMODULES } from "../../../schema/wire/checkout.ts";
import type { Delivery } from "../../../schema/wire/deliveries.ts";
import type { FieldError } from "../../../schema/wire/errors.ts";
import type { Undelivered } from "../../../schema/wire/notifications.ts";
import type { StoredPipeline } from "../../../schema/wire/pipelines.ts";
import type { Project } from "../../../schema/wire/projects.ts";
import type { Page, RunSummary } from "../../../schema/wire/resources.ts";
import type { Schedule } from "../../../schema/wire/schedules.ts";
import type { Secret } from "../../../schema/wire/secrets.ts";
import { RunTable } from "../../runs/pages/runs_page.tsx";
import { Ago } from "../../ui/words.tsx";

/** The fields of the form of a project. */
export const PROJECT_FIELDS = [
	{
		key: "repository",
		label: "Repository",
		hint: "the source of its runs, unless a pipeline sets another one",
		example: "https://git.lan/team/web.git",
	},
	{ key: "default_branch", label: "Default branch", hint: "", example: "main" },
	{
		key: "credentials",
		label: "Credentials",
		hint: "the name of a secret with user:password or a token, for a repository over HTTP",
		example: "",
	},
	{
		key: "config",
		label: "Config",
		hint: "the pipeline file, or the folder of pipeline files",
		example: ".windlass.yml, .windlass.yaml or .windlass/",
	},
	{
		key: "hook_secret",
		label: "Hook secret",
		hint: "the name of the secret that signs webhooks; without it the hook is closed",
		example: "",
	},
	{ key: "forge", label: "Forge", hint: "github, gitea (also for Forgejo) or gitlab; receives commit statuses", example: "" },
	{
		key: "forge_api",
		label: "API of the forge",
		hint: "its address, if it is not on the host of the repository",
		example: "https://git.lan/api/v1",
	},
	{ key: "forge_token", label: "Token for the forge", hint: "the name of the secret with the token", example: "" },
	{ key: "status_context", label: "Status context", hint: "the prefix of the names of commit statuses", example: "windlass" },
	{ key: "checkout_depth", label: "History", hint: "how many commits a job fetches, or full; default 1", example: "1" },
	{
		key: "checkout_tags",
		label: "All tags",
		hint: "whether jobs fetch all tags; default no",
		example: "",
		choices: ["", "yes", "no"],
	},
	{
		key: "checkout_submodules",
		label: "Submodules",
		hint: "which submodules jobs fetch; default recursive",
		example: "",
		choices: ["", ...SUBMODULES],
	},
	{
		key: "checkout_lfs",
		label: "Large files",
		hint: "whether jobs fetch files of Git LFS; default yes",
		example: "",
		choices: ["", "yes", "no"],
	},
	{
		key: "require_pipeline",
		label: "Require a pipeline",
		hint: "a commit without a pipeline file gets a failed status",
		example: "",
		choices: ["no", "yes"],
	},
	{
		key: "poll",
		label: "Poll",
		hint: "how often an agent checks for new commits, for servers without webhooks",
		example: "5m",
	},
	{ key: "keep_runs", label: "Keep runs", hint: "how long runs are kept; default: the setting of the coordinator", example: "90d" },
	{ key: "keep_logs", label: "Keep logs", hint: "", example: "30d" },
	{ key: "keep_artifacts", label: "Keep artifacts", hint: "", example: "14d" },
	{ key: "public_badges", label: "Public badges", hint: "", example: "", choices: ["no", "yes"] },
] as const satisfies readonly { key: keyof Project; label: string; hint: string; example: string; choices?: readonly string[] }[];

/** The values of the form of a project. */
export type ProjectFields = Record<"name" | (typeof PROJECT_FIELDS)[number]["key"], string>;

interface FormProps {
	fields: ProjectFields;
	errors: readonly FieldError[];
	message: string | null;
}

/** All projects, and the form for a new project. */
export function ProjectsPage({ projects, form }: { projects: readonly Project[]; form: FormProps }) {
	return (
		<section>
			<h1>Projects</h1>
			{projects.length === 0 && <p class="empty">No projects yet. Runs without a project belong to “adhoc”.</p>}
			{projects.length > 0 && (
				<table>
					<thead>
						<tr>
							<th>Project</th>
							<th>Repository</th>
							<th>Default branch</th>
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
	/** The newest deliveries, newest first. */
	deliveries: readonly Delivery[];
	schedules: readonly Schedule[];
	pipelines: readonly StoredPipeline[];
	undelivered: readonly Undelivered[];
	form: FormProps;
}

/** One project: runs, secrets, deliveries, schedules and settings. */
export function ProjectPage({ project, runs, secrets, deliveries, schedules, pipelines, undelivered, form }: ProjectPageProps) {
	return (
		<section>
			<div class="title">
				<h1>{project.name}</h1>
				{project.repository && (
					<form method="post" action={`/projects/${project.name}/trigger`} class="inline">
						<input name="branch" placeholder={project.default_branch} aria-label="Branch" />
						<button type="submit">Run</button>
					</form>
				)}
			</div>
			{project.notices.map((notice) => (
				<p key={notice} class="reason">
					{notice}
				</p>
			))}
			<h2>Runs</h2>
			{runs.items.length === 0 ? <p class="muted">No runs yet.</p> : <RunTable runs={runs.items} />}
			{runs.next_cursor !== null && (
				<p>
					<a href={`/projects/${project.name}?cursor=${runs.next_cursor}`}>Older runs →</a>
				</p>
			)}
			{pipelines.length > 0 && (
				<>
					<h2>Stored pipelines</h2>
					<ul>
						{pipelines.map((one) => (
							<li key={one.id}>
								<a href={`/pipelines/${one.id}`}>{one.name}</a>{" "}
								<span class="muted">
									{`version ${one.version}, `}
									<Ago at={one.updated_at} />
								</span>
							</li>
						))}
					</ul>
				</>
			)}
			<Schedules schedules={schedules} pipelines={pipelines} />
			<UndeliveredList undelivered={undelivered} />
			<Comparison project={project} />
			<Deliveries project={project} deliveries={deliveries} />
			<h2>Secrets</h2>
			{secrets.length === 0 && (
				<p class="muted">
					No secrets. Set one: <code>{`windlass secrets set <name> --project ${project.name}`}</code>
				</p>
			)}
			{secrets.length > 0 && (
				<ul class="secrets">
					{secrets.map((one) => (
						<li key={`${one.project} ${one.name}`}>
							<code>{one.name}</code> <span class="muted">{one.project === null ? "for every project, set " : "set "}</span>
							<Ago at={one.updated_at} />
						</li>
					))}
				</ul>
			)}
			<h2>Badge</h2>
			<p>
				<img src={`/badge/${project.name}.svg`} alt={`${project.name}: state of ${project.default_branch}`} />{" "}
				<code>{`${hookBase(project)}/badge/${project.name}.svg`}</code>{" "}
				<span class="muted">{project.public_badges ? "public" : "only for signed-in users; set Public badges below"}</span>
			</p>
			<h2>Settings</h2>
			<ProjectForm action={`/projects/${project.name}`} button="Save" isNew={false} {...form} />
			<form method="post" action={`/projects/${project.name}/delete`}>
				<button type="submit" class="danger">
					Delete the project and its secrets
				</button>
			</form>
		</section>
	);
}

/** The public base URL. */
function hookBase({ hook_url }: Project): string {
	return hook_url.replace(/\/hooks\/[^/]*$/, "");
}

function Schedules({ schedules, pipelines }: Pick<ProjectPageProps, "schedules" | "pipelines">) {
	if (schedules.length === 0) return null;
	const nameOf = (id: string | null) => pipelines.find((one) => one.id === id)?.name ?? id;
	return (
		<>
			<h2>Schedules</h2>
			<table>
				<thead>
					<tr>
						<th>When</th>
						<th>What</th>
						<th>Next</th>
						<th>Last</th>
						<th />
					</tr>
				</thead>
				<tbody>
					{schedules.map((one) => (
						<tr key={one.id}>
							<td>
								<code>{one.cron}</code> <span class="muted">{one.timezone}</span>
							</td>
							<td>
								{one.file ?? nameOf(one.pipeline) ?? "all pipelines of the repository"}
								{one.branch && <span class="muted">{` on ${one.branch}`}</span>}
							</td>
							<td>
								{one.paused_by !== null && <span class="muted">{`paused by ${one.paused_by}`}</span>}
								{one.next.slice(0, 3).map((at) => (
									<div key={at}>{at.slice(0, 16).replace("T", " ")} UTC</div>
								))}
							</td>
							<td>
								{one.run_id ? (
									<a href={`/runs/${one.run_id}`}>{one.fired_at ? <Ago at={one.fired_at} /> : "run"}</a>
								) : (
									<span class="muted">–</span>
								)}
								{one.error !== null && <p class="reason">{`It started no run: ${one.error}`}</p>}
							</td>
							<td>
								<form method="post" action={`/schedules/${one.id}/${one.paused_by === null ? "pause" : "resume"}`}>
									<button type="submit" class="quiet">
										{one.paused_by === null ? "Pause" : "Resume"}
									</button>
								</form>
							</td>
						</tr>
					))}
				</tbody>
			</table>
		</>
	);
}

function UndeliveredList({ undelivered }: { undelivered: readonly Undelivered[] }) {
	if (undelivered.length === 0) return null;
	return (
		<>
			<h2>Undelivered</h2>
			<ul class="errors">
				{undelivered.map((one) => (
					<li key={`${one.run_id} ${one.what} ${one.tries}`}>
						<a href={`/runs/${one.run_id}`}>{one.what}</a>{" "}
						<span class="muted">{one.given_up ? "failed:" : `${one.tries} tries so far, will be retried:`}</span> {one.error}
					</li>
				))}
			</ul>
		</>
	);
}

/** The newest comparison of the refs, and its result. */
function Comparison({ project: { name, poll, comparison } }: { project: Project }) {
	if (comparison === null) return null;
	const { compared_at, found, next_at, error, run_id } = comparison;
	return (
		<>
			<h2>Missed pushes</h2>
			<p>
				{compared_at === null ? (
					"The refs have not been compared yet."
				) : (
					<>
						{`The refs were compared `}
						<Ago at={compared_at} />
						{found === 0 ? ": no missed pushes." : `: ${found} missed pushes, listed below as deliveries.`}
					</>
				)}{" "}
				<span class="muted">
					{poll === null ? "They are compared after an outage" : `They are compared every ${poll}`}
					{next_at === null ? "." : `, next at ${next_at.slice(0, 16).replace("T", " ")} UTC.`}
				</span>
			</p>
			{error !== null && run_id !== null && (
				<p>
					<a href={`/runs/${run_id}`}>The failed comparison</a>
				</p>
			)}
			<form method="post" action={`/projects/${name}/compare`}>
				<button type="submit">Compare now</button>
			</form>
		</>
	);
}

function Deliveries({ project, deliveries }: { project: Project; deliveries: readonly Delivery[] }) {
	return (
		<>
			<h2>Webhook</h2>
			<p>
				<code>{project.hook_url}</code>{" "}
				<span class="muted">
					{project.hook_secret === null ? "closed: set a hook secret below" : `signed with the secret ${project.hook_secret}`}
				</span>
			</p>
			{deliveries.length > 0 && (
				<table>
					<thead>
						<tr>
							<th>Delivery</th>
							<th>Outcome</th>
							<th>Received</th>
							<th />
						</tr>
					</thead>
					<tbody>
						{deliveries.map((one) => (
							<tr key={one.id}>
								<td>
									{one.event} <span class="muted">{one.forge}</span>
								</td>
								<td>{one.run_id ? <a href={`/runs/${one.run_id}`}>{one.reason}</a> : `${one.outcome}: ${one.reason}`}</td>
								<td>
									<Ago at={one.received_at} />
								</td>
								<td>
									{one.trigger && (
										<form method="post" action={`/deliveries/${one.id}/replay`}>
											<button type="submit" class="quiet">
												Replay
											</button>
										</form>
									)}
								</td>
							</tr>
						))}
					</tbody>
				</table>
			)}
		</>
	);
}

function ProjectForm({ action, button, isNew, fields, errors, message }: FormProps & { action: string; button: string; isNew: boolean }) {
	return (
		<form method="post" action={action} class="new-run">
			{message && <p class="reason">{message}</p>}
			{errors.length > 0 && (
				<ul class="errors">
					{errors.map((one) => (
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
			{PROJECT_FIELDS.map((field) => (
				<label key={field.key} for={field.key}>
					{field.label} {field.hint && <span class="muted">– {field.hint}</span>}
					{"choices" in field ? (
						<select id={field.key} name={field.key}>
							{field.choices.map((choice) => (
								<option key={choice} value={choice} selected={choice === fields[field.key]}>
									{choice === "" ? "default" : choice}
								</option>
							))}
						</select>
					) : (
						<input id={field.key} name={field.key} value={fields[field.key]} placeholder={field.example} />
					)}
				</label>
			))}
			<button type="submit">{button}</button>
		</form>
	);
}
