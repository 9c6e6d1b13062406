import type { ProjectRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { type Project, projectChange, projectRequest } from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { addProject, changeProject, findProject, listProjects, removeProject } from "../catalog/projects.ts";
import { log } from "../log.ts";
import { json } from "./answers.ts";
import { readJson } from "./bodies.ts";
import { actorOf, type RequestContext, route } from "./context.ts";
import { onlyParameters } from "./queries.ts";

type Caller = RequestContext<"user">;

async function list({ url, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const items = (await listProjects(environment.DB, principal.team)).map(presentProject);
	return json({ items, next_cursor: null } satisfies Page<Project>);
}

async function get({ url, params, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const found = await findProject(environment.DB, principal.team, params.name ?? "");
	if (!found) throw notFound("project", params.name ?? "");
	return json(presentProject(found));
}

/** POST /projects */
async function create(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const created = await createProject(context, await readJson(context.request, projectRequest));
	return json(created, 201, { Location: `/api/v1/projects/${created.name}` });
}

/** @throws ApiError `conflict` for a name that is taken */
export async function createProject(
	{ environment, principal, requestId }: Caller,
	{ name, ...settings }: ReturnType<typeof projectRequest.parse>,
): Promise<Project> {
	const created = await addProject(environment.DB, principal.team, name, settings);
	if (!created) {
		throw new ApiError("conflict", `There is a project ${name} already.`, {
			suggestions: [`Change it: PATCH /api/v1/projects/${name}, or windlass projects edit ${name}`],
		});
	}
	log("info", "project created", { request_id: requestId, actor: actorOf(principal), project: name });
	return presentProject(created);
}

/** PATCH /projects/:name: what is not given stays. */
async function change(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return json(await editProject(context, await readJson(context.request, projectChange)));
}

/** @throws ApiError `not_found` */
export async function editProject(
	{ params, environment, principal, requestId }: Caller,
	wanted: ReturnType<typeof projectChange.parse>,
): Promise<Project> {
	const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
	const changed = await changeProject(environment.DB, principal.team, params.name ?? "", given);
	if (!changed) throw notFound("project", params.name ?? "");
	log("info", "project changed", { request_id: requestId, actor: actorOf(principal), project: changed.name });
	return presentProject(changed);
}

/** DELETE /projects/:name: with its secrets; its runs stay as they are. */
async function remove(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	await deleteProject(context);
	return new Response(null, { status: 204 });
}

/** @throws ApiError `not_found` */
export async function deleteProject({ params, environment, principal, requestId }: Caller): Promise<void> {
	const name = params.name ?? "";
	if (!(await removeProject(environment.DB, principal.team, name))) throw notFound("project", name);
	log("info", "project removed", { request_id: requestId, actor: actorOf(principal), project: name });
}

export function presentProject({ id, name, repository, default_branch, credentials, created_at, updated_at }: ProjectRow): Project {
	return {
		id,
		name,
		repository,
		default_branch,
		credentials,
		created_at: new Date(created_at).toISOString(),
		updated_at: new Date(updated_at).toISOString(),
	};
}

export const projectRoutes = [
	route("GET", "/api/v1/projects", ["user"], list),
	route("POST", "/api/v1/projects", ["user"], create),
	route("GET", "/api/v1/projects/:name", ["user"], get),
	route("PATCH", "/api/v1/projects/:name", ["user"], change),
	route("DELETE", "/api/v1/projects/:name", ["user"], remove),
];
