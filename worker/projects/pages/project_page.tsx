import type { ComponentChildren } from "preact";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { StoredPipeline } from "../../../schema/wire/pipelines.ts";
import type { Project } from "../../../schema/wire/projects.ts";
import type { RunSummary } from "../../../schema/wire/resources.ts";
import type { Secret } from "../../../schema/wire/secrets.ts";
import type { ProjectStats } from "../../record/project_stats.ts";
import { RunList } from "../../runs/pages/run_list.tsx";
import { Chart } from "../../ui/chart.tsx";
import { mayReaderPost } from "../../ui/parts.ts";
import { PostForm } from "../../ui/post_form.tsx";
import { Ago } from "../../ui/words.tsx";
import { type FormProps, ProjectForm } from "./project_form.tsx";

/** The views of a project, in their order. */
export const PROJECT_TABS = [
	{ key: "runs", label: "Runs" },
	{ key: "branches", label: "Branches" },
	{ key: "pulls", label: "Pull requests" },
	{ key: "pipelines", label: "Pipelines" },
	{ key: "schedules", label: "Schedules" },
	{ key: "deliveries", label: "Deliveries" },
	{ key: "caches", label: "Caches" },
	{ key: "tests", label: "Tests" },
	{ key: "secrets", label: "Secrets" },
	{ key: "settings", label: "Settings" },
] as const;
export type ProjectTab = (typeof PROJECT_TABS)[number]["key"];
/** What visitors see: the others are about how the project is run. */
export const VISITOR_TABS: ReadonlySet<ProjectTab> = new Set(["runs", "branches", "pulls", "tests"]);

interface ProjectPageProps {
	project: Project;
	tab: ProjectTab;
	isVisitor: boolean;
	/** The view that `tab` names. */
	children: ComponentChildren;
}

/** One project: its name, its notices, and one of its views. */
export function ProjectPage({ project, tab, isVisitor, children }: ProjectPageProps) {
	const path = `/projects/${project.name}`;
	return (
		<section>
			<nav class="crumbs" aria-label="Breadcrumb">
				{isVisitor ? "Projects" : <a href="/projects">Projects</a>} › {project.name}
			</nav>
			<div class="title">
				<h1>{project.name}</h1>
				<img src={`/badge/${project.name}.svg`} alt={`${project.name}: state of ${project.default_branch}`} />
				{project.repository && (
					<PostForm action={`${path}/trigger`} class="row trigger">
						<input name="branch" placeholder={project.default_branch} aria-label="Branch to run" class="short" />
						<button type="submit" class="main">
							Run
						</button>
					</PostForm>
				)}
			</div>
			{project.repository !== null && <p class="soft wraps">{project.repository}</p>}
			{(isVisitor ? [] : project.notices).map((notice) => (
				<p key={notice} class="reason">
					{notice}
				</p>
			))}
			<nav class="tabs" aria-label="Views of the project">
				{PROJECT_TABS.filter(({ key }) => !isVisitor || VISITOR_TABS.has(key)).map(({ key, label }) => (
					<a key={key} href={key === "runs" ? path : `${path}?tab=${key}`} aria-current={key === tab ? "page" : undefined}>
						{label}
					</a>
				))}
			</nav>
			{children}
		</section>
	);
}

/** The last 30 days as charts. */
export function StatsView({ stats }: { stats: ProjectStats }) {
	const labels = stats.days.map(({ day }) => day);
	const took = (ms: number | null) => (ms === null ? "–" : formatDuration(ms));
	const of = (key: "succeeded" | "failed" | "p50" | "p90" | "queued") => stats.days.map((day) => day[key]);
	return (
		<div class="charts">
			<Chart
				title="Results"
				total={stats.passRate === null ? "no runs in 30 days" : `${Math.round(100 * stats.passRate)} % succeeded`}
				labels={labels}
				series={[
					{ name: "succeeded", kind: "ok", values: of("succeeded") },
					{ name: "failed", kind: "bad", values: of("failed") },
				]}
				format={String}
			/>
			<Chart
				title="Duration"
				total={`median ${took(stats.p50)}, p90 ${took(stats.p90)}`}
				labels={labels}
				series={[
					{ name: "median", kind: "line", values: of("p50") },
					{ name: "p90", kind: "line upper", values: of("p90") },
				]}
				isLine
				format={formatDuration}
			/>
			<Chart
				title="Time in the queue"
				total={`median ${took(stats.queued)}`}
				labels={labels}
				series={[{ name: "median", kind: "line", values: of("queued") }]}
				isLine
				format={formatDuration}
			/>
		</div>
	);
}

/** The newest run of each branch or pull request. */
export function RefsView({ runs, what }: { runs: readonly RunSummary[]; what: string }) {
	return runs.length === 0 ? <p class="empty">{`No runs of ${what} yet.`}</p> : <RunList runs={runs} waits={{}} hasProjects={false} />;
}

export function PipelinesView({ project, pipelines }: { project: string; pipelines: readonly StoredPipeline[] }) {
	if (pipelines.length === 0) {
		return (
			<p class="empty">
				No stored pipelines. Pipelines of the repository are read from its files. Store one:{" "}
				<code>{`windlass pipelines set <name> --project ${project} --file pipeline.yml`}</code>
			</p>
		);
	}
	return (
		<ul class="list" data-list>
			{pipelines.map((one) => (
				<li key={one.id}>
					<a class="first" href={`/pipelines/${one.id}`}>
						{one.name}
					</a>{" "}
					<span class="soft">
						{`version ${one.version}, `}
						<Ago at={one.updated_at} />
					</span>
				</li>
			))}
		</ul>
	);
}

export function SecretsView({ project, secrets }: { project: string; secrets: readonly Secret[] }) {
	return (
		<>
			<p class="soft">
				Nobody can read a secret. Set one: <code>{`windlass secrets set <name> --project ${project}`}</code>
			</p>
			{secrets.length === 0 && <p class="empty">No secrets.</p>}
			{secrets.length > 0 && (
				<ul class="list secrets">
					{secrets.map((one) => (
						<li key={`${one.project} ${one.name}`}>
							<code>{one.name}</code> <span class="soft">{one.project === null ? "for every project, set " : "set "}</span>
							<Ago at={one.updated_at} />
						</li>
					))}
				</ul>
			)}
		</>
	);
}

export function SettingsView({ project, form }: { project: Project; form: FormProps }) {
	const path = `/projects/${project.name}`;
	return (
		<>
			<ProjectForm action={path} button="Save" isNew={false} {...form} />
			<h2>Badge</h2>
			<p>
				<code>{`${baseOf(project)}/badge/${project.name}.svg`}</code>{" "}
				<span class="soft">
					{project.public_badges || project.public ? "public" : "only for signed-in users; allow Public badges above"}
				</span>
			</p>
			{mayReaderPost(`${path}/delete`) && <h2>Delete</h2>}
			<PostForm action={`${path}/delete`}>
				<button type="submit" class="danger">
					Delete the project and its secrets
				</button>
			</PostForm>
		</>
	);
}

/** The public base URL. */
function baseOf({ hook_url }: Project): string {
	return hook_url.replace(/\/hooks\/[^/]*$/, "");
}
