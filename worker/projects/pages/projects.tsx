import type { ComponentChildren } from "preact";
import { ApiError, type FieldError } from "../../../schema/wire/errors.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { type Project, projectChange, projectRequest } from "../../../schema/wire/projects.ts";
import { CachesView } from "../../caches/pages/caches_view.tsx";
import { cacheUsage, newestCaches } from "../../caches/service.ts";
import { readText, validated } from "../../http/bodies.ts";
import { oneOf, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { isVisitor } from "../../identity/visitors.ts";
import { undeliveredOf } from "../../notifications/service.ts";
import { listPipelines, presentPipeline } from "../../pipelines/service.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { RolesView } from "../../project_roles/pages/roles_view.tsx";
import { rolesIn } from "../../project_roles/service.ts";
import { presentRunSummary } from "../../record/present.ts";
import { projectStats } from "../../record/project_stats.ts";
import { findProject, listProjects } from "../../record/projects.ts";
import { newestRuns } from "../../record/refs.ts";
import { requireProject } from "../../record/require.ts";
import { listRuns } from "../../record/run_lists.ts";
import { LIST, type ListQuery, Pages, RunFilters, statesOf, withoutEmpty } from "../../runs/pages/run_filters.tsx";
import { RunList } from "../../runs/pages/run_list.tsx";
import { waitsOf } from "../../runs/service.ts";
import { presentSchedule } from "../../schedules/service.ts";
import { listSecrets } from "../../secrets/service.ts";
import { TestsView } from "../../test_results/pages/tests_view.tsx";
import { projectTests } from "../../test_results/service.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { page } from "../../ui/layout.tsx";
import { listDeliveries, presentDelivery } from "../../webhooks/service.ts";
import { createProject, deleteProject, describeProject, editProject } from "../service.ts";
import { stripsOf } from "../strips.ts";
import { DeliveriesView } from "./deliveries_view.tsx";
import { type FormProps, PROJECT_FIELDS, type ProjectFields } from "./project_form.tsx";
import {
	PipelinesView,
	PROJECT_TABS,
	ProjectPage,
	type ProjectTab,
	RefsView,
	SecretsView,
	SettingsView,
	StatsView,
	VISITOR_TABS,
} from "./project_page.tsx";
import { ProjectsPage } from "./projects_page.tsx";
import { SchedulesView } from "./schedules_view.tsx";

/** The pages of projects and their forms. A rejected form keeps its values. */

type Reader = RequestContext<"user">;

const DELIVERIES_SHOWN = 50;
const UNDELIVERED_SHOWN = 20;
const CACHES_SHOWN = 100;
const VIEW = {
	tab: oneOf(
		"the view of the project",
		PROJECT_TABS.map(({ key }) => key),
	),
};
const EMPTY: ProjectFields = { ...blank(), default_branch: "main", status_context: "windlass" };

export function projectsPage(context: Reader): Promise<Response> {
	return showProjects(context, EMPTY, null);
}

export async function submitProject(context: Reader): Promise<Response> {
	const fields = await readFields(context.request);
	try {
		const { name } = await createProject(context, validated(projectRequest, { name: fields.name, ...settingsOf(fields) }));
		return backTo(`/projects/${name}`);
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		return showProjects(context, fields, error);
	}
}

export async function projectPage(context: Reader): Promise<Response> {
	const project = await describeProject(context, await requireProject(context));
	const { tab } = valuesOf(VIEW, context.url.searchParams);
	return showProject(context, project, tab ?? "runs", { fields: fieldsOf(project), ...errorsOf(null) });
}

export async function submitProjectChange(context: Reader): Promise<Response> {
	const { environment, principal, params, request } = context;
	const fields = await readFields(request);
	try {
		const { name } = await editProject(context, validated(projectChange, settingsOf(fields)));
		return backTo(`/projects/${name}?tab=settings`);
	} catch (error) {
		const found = await findProject(environment.DB, principal.team, params.name ?? "");
		if (!(error instanceof ApiError) || !found) throw error;
		return showProject(context, await describeProject(context, found), "settings", { fields, ...errorsOf(error) }, error.status);
	}
}

export async function submitProjectDeletion(context: Reader): Promise<Response> {
	const question = {
		title: `Delete the project ${context.params.name}`,
		text: "Its secrets and schedules are deleted, too; its runs stay. Nobody can restore the secrets.",
		button: "Delete the project",
		back: `/projects/${context.params.name}`,
	};
	return onceConfirmed(context, question, async () => {
		await deleteProject(context);
		return backTo("/projects");
	});
}

async function showProjects(context: Reader, fields: ProjectFields, error: ApiError | null): Promise<Response> {
	const { environment, principal } = context;
	const strips = await stripsOf(environment, principal.team, await listProjects(environment.DB, principal.team));
	const children = <ProjectsPage strips={strips} form={{ fields, ...errorsOf(error) }} />;
	return page(context, { title: "Projects", section: "projects", children }, error?.status ?? 200);
}

async function showProject(context: Reader, project: Project, chosen: ProjectTab, form: FormProps, status = 200): Promise<Response> {
	const visits = isVisitor(context.principal);
	const tab = visits && !VISITOR_TABS.has(chosen) ? "runs" : chosen;
	const children = (
		<ProjectPage project={project} tab={tab} isVisitor={visits}>
			{await viewOf(context, project, tab, form)}
		</ProjectPage>
	);
	const follows = tab === "runs" && context.request.method === "GET" ? "everything" : null;
	return page(context, { title: project.name, section: "projects", follows, children }, status);
}

async function viewOf(context: Reader, project: Project, tab: ProjectTab, form: FormProps): Promise<ComponentChildren> {
	const { environment, principal, baseUrl } = context;
	const { team } = principal;
	const { name } = project;
	switch (tab) {
		case "runs":
			return runsView(context, name);
		case "branches":
		case "pulls": {
			const rows = await newestRuns(environment.DB, team, name, tab === "pulls" ? "pull_request" : "branch");
			return <RefsView runs={rows.map((row) => presentRunSummary(row, baseUrl))} what={tab === "pulls" ? "pull requests" : "branches"} />;
		}
		case "pipelines": {
			const rows = await listPipelines(environment.DB, team, name);
			return <PipelinesView project={name} pipelines={rows.map((row) => presentPipeline(row, baseUrl))} />;
		}
		case "schedules":
			return schedulesView(context, name);
		case "deliveries": {
			const [rows, undelivered] = await Promise.all([
				listDeliveries(environment.DB, team, { project: name, limit: DELIVERIES_SHOWN, after: null }),
				undeliveredOf(context, name, UNDELIVERED_SHOWN),
			]);
			return <DeliveriesView project={project} deliveries={rows.map(presentDelivery)} undelivered={undelivered} />;
		}
		case "caches": {
			const [caches, usage] = await Promise.all([newestCaches(environment, team, name, CACHES_SHOWN), cacheUsage(environment, team, name)]);
			return <CachesView project={name} caches={caches} usage={usage} />;
		}
		case "tests":
			return <TestsView tests={await projectTests(environment.DB, team, name)} hasProjects={false} />;
		case "secrets":
			return <SecretsView project={name} secrets={await listSecrets(environment.DB, team, name)} />;
		case "settings":
			return (
				<>
					<SettingsView project={project} form={form} />
					<RolesView project={name} roles={await rolesIn({ ...context, params: { name } })} />
				</>
			);
	}
}

async function runsView({ url, environment, principal, baseUrl }: Reader, project: string) {
	const { team } = principal;
	const query: ListQuery = { ...valuesOf(LIST, withoutEmpty(url.searchParams)), project };
	const { per: limit, cursor: after, state: _, ...filter } = query;
	const [{ rows, next }, stats] = await Promise.all([
		listRuns(environment.DB, team, { ...filter, limit, after, states: statesOf(query) }),
		after === null ? projectStats(environment.DB, team, project, Date.now()) : null,
	]);
	const path = `/projects/${project}`;
	return (
		<>
			{stats && <StatsView stats={stats} />}
			<RunFilters path={path} query={query} projects={null} counts={null} user={principal.name} />
			{rows.length === 0 ? (
				<p class="empty">{next === null ? "No runs." : "No run matches these filters so far. Older runs may."}</p>
			) : (
				<RunList
					runs={rows.map((run) => presentRunSummary(run, baseUrl))}
					waits={isVisitor(principal) ? {} : await waitsOf(environment, team, rows)}
					hasProjects={false}
				/>
			)}
			<Pages path={path} query={query} next={next} />
		</>
	);
}

async function schedulesView({ environment, principal, baseUrl }: Reader, project: string) {
	const [schedules, pipelines] = await Promise.all([
		dispatcherOf(environment, principal.team).listSchedules(project),
		listPipelines(environment.DB, principal.team, project),
	]);
	const now = Date.now();
	return (
		<SchedulesView
			project={project}
			schedules={schedules.map((row) => presentSchedule(row, now))}
			pipelines={pipelines.map((row) => presentPipeline(row, baseUrl))}
		/>
	);
}

async function readFields(request: Request): Promise<ProjectFields> {
	const form = new URLSearchParams(await readText(request, MAX_PROTOCOL_BODY_BYTES));
	const field = (name: string) => (form.get(name) ?? "").trim();
	return eachField(field);
}

function blank(): ProjectFields {
	return eachField(() => "");
}

function eachField(value: (key: keyof ProjectFields) => string): ProjectFields {
	const keys = ["name", ...PROJECT_FIELDS.map(({ key }) => key)] as const;
	return Object.fromEntries(keys.map((key) => [key, value(key)])) as ProjectFields;
}

/** Fields that are on or off. */
const FLAGS: ReadonlySet<string> = new Set(PROJECT_FIELDS.flatMap((field) => ("isFlag" in field ? field.key : [])));

/** Settings with several values. */
const LISTS: ReadonlySet<string> = new Set(["includable_by", "trusted_authors", "fork_approvers"]);

/** The settings of a form; an empty field is null. */
function settingsOf({ name: _, ...fields }: ProjectFields) {
	return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, settingOf(key, value)]));
}

function settingOf(key: string, value: string): string | number | boolean | string[] | null {
	if (FLAGS.has(key)) return value === "yes";
	if (LISTS.has(key) && value !== "") return value.split(/[\s,]+/).filter(Boolean);
	if (key === "checkout_depth" && /^\d+$/.test(value)) return Number(value);
	const isYesOrNo = key === "checkout_tags" || key === "checkout_lfs";
	return isYesOrNo && value !== "" ? value === "yes" : value || null;
}

function fieldsOf(project: Project): ProjectFields {
	const text = (value: string | number | boolean | readonly string[] | null) => {
		if (typeof value === "boolean") return value ? "yes" : "no";
		return Array.isArray(value) ? value.join(", ") : String(value ?? "");
	};
	return { ...blank(), name: project.name, ...Object.fromEntries(PROJECT_FIELDS.map(({ key }) => [key, text(project[key])])) };
}

function errorsOf(error: ApiError | null): { errors: readonly FieldError[]; message: string | null } {
	const errors = (error?.details.errors as FieldError[] | undefined) ?? [];
	return { errors, message: error && errors.length === 0 ? error.message : null };
}
