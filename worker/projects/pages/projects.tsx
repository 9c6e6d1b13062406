import { ApiError, type FieldError } from "../../../schema/wire/errors.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { type Project, projectChange, projectRequest } from "../../../schema/wire/projects.ts";
import { readText, validated } from "../../http/bodies.ts";
import { pageOf } from "../../http/pages.ts";
import { idCursor, valuesOf } from "../../http/parameters.ts";
import type { RequestContext } from "../../http/route.ts";
import { undeliveredOf } from "../../notifications/service.ts";
import { listPipelines, presentPipeline } from "../../pipelines/service.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { presentRunSummary } from "../../record/present.ts";
import { findProject, listProjects } from "../../record/projects.ts";
import { requireProject } from "../../record/require.ts";
import { listRuns } from "../../record/runs.ts";
import { presentSchedule } from "../../schedules/service.ts";
import { listSecrets } from "../../secrets/service.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { page } from "../../ui/layout.tsx";
import { listDeliveries, presentDelivery } from "../../webhooks/service.ts";
import { presentProject } from "../present.ts";
import { createProject, deleteProject, describeProject, editProject } from "../service.ts";
import { PROJECT_FIELDS, type ProjectFields, ProjectPage, ProjectsPage } from "./project_pages.tsx";

/** The pages of projects and their forms. A rejected form keeps its values. */

type Reader = RequestContext<"user">;

const RUNS_SHOWN = 20;
const DELIVERIES_SHOWN = 10;
const UNDELIVERED_SHOWN = 10;
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
	return showProject(context, project, fieldsOf(project), null);
}

export async function submitProjectChange(context: Reader): Promise<Response> {
	const { environment, principal, params, request } = context;
	const fields = await readFields(request);
	try {
		const { name } = await editProject(context, validated(projectChange, settingsOf(fields)));
		return backTo(`/projects/${name}`);
	} catch (error) {
		const found = await findProject(environment.DB, principal.team, params.name ?? "");
		if (!(error instanceof ApiError) || !found) throw error;
		return showProject(context, await describeProject(context, found), fields, error);
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

async function showProjects({ environment, principal, baseUrl }: Reader, fields: ProjectFields, error: ApiError | null): Promise<Response> {
	const projects = (await listProjects(environment.DB, principal.team)).map((one) => presentProject(one, baseUrl));
	const children = <ProjectsPage projects={projects} form={{ fields, ...errorsOf(error) }} />;
	return page({ title: "Projects", user: principal.name, children }, error?.status ?? 200);
}

async function showProject(
	{ url, environment, principal, baseUrl }: Reader,
	project: Project,
	fields: ProjectFields,
	error: ApiError | null,
): Promise<Response> {
	const after = valuesOf({ cursor: idCursor("run") }, url.searchParams).cursor;
	const [rows, secrets, deliveries, schedules, pipelines, undelivered] = await Promise.all([
		listRuns(environment.DB, principal.team, { limit: RUNS_SHOWN + 1, after, state: null, project: project.name }),
		listSecrets(environment.DB, principal.team, project.name),
		listDeliveries(environment.DB, principal.team, { project: project.name, limit: DELIVERIES_SHOWN, after: null }),
		dispatcherOf(environment, principal.team).listSchedules(project.name),
		listPipelines(environment.DB, principal.team, project.name),
		undeliveredOf({ environment, principal }, project.name, UNDELIVERED_SHOWN),
	]);
	const now = Date.now();
	const runs = pageOf(rows, RUNS_SHOWN, (run) => presentRunSummary(run, baseUrl));
	const children = (
		<ProjectPage
			project={project}
			runs={runs}
			secrets={secrets}
			deliveries={deliveries.map(presentDelivery)}
			schedules={schedules.map((row) => presentSchedule(row, now))}
			pipelines={pipelines.map((row) => presentPipeline(row, baseUrl))}
			undelivered={undelivered}
			form={{ fields, ...errorsOf(error) }}
		/>
	);
	return page({ title: project.name, user: principal.name, children }, error?.status ?? 200);
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

/** Fields with the values yes and no. */
const FLAGS: ReadonlySet<string> = new Set(["public_badges", "require_pipeline"]);

/** The settings of a form; an empty field is null. */
function settingsOf({ name: _, ...fields }: ProjectFields) {
	return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, settingOf(key, value)]));
}

function settingOf(key: string, value: string): string | number | boolean | null {
	if (FLAGS.has(key)) return value === "yes";
	if (key === "checkout_depth" && /^\d+$/.test(value)) return Number(value);
	const isYesOrNo = key === "checkout_tags" || key === "checkout_lfs";
	return isYesOrNo && value !== "" ? value === "yes" : value || null;
}

function fieldsOf(project: Project): ProjectFields {
	const text = (value: string | number | boolean | null) => (typeof value === "boolean" ? (value ? "yes" : "no") : String(value ?? ""));
	return { ...blank(), name: project.name, ...Object.fromEntries(PROJECT_FIELDS.map(({ key }) => [key, text(project[key])])) };
}

function errorsOf(error: ApiError | null): { errors: readonly FieldError[]; message: string | null } {
	const errors = (error?.details.errors as FieldError[] | undefined) ?? [];
	return { errors, message: error && errors.length === 0 ? error.message : null };
}
