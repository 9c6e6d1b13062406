import type { Project, projectChange, projectRequest } from "../../schema/wire/projects.ts";
import * as projects from "../../schema/wire/projects.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import type { RequestContext } from "../http/route.ts";
import { type Bodied, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { listProjects } from "../record/projects.ts";
import { requireProject } from "../record/require.ts";
import { presentProject } from "./present.ts";
import { createProject, deleteProject, describeProject, editProject } from "./service.ts";

type Caller = RequestContext<"user">;

async function list({ environment, principal, baseUrl }: Caller): Promise<Response> {
	const [rows, comparisons] = await Promise.all([
		listProjects(environment.DB, principal.team),
		dispatcherOf(environment, principal.team).readComparisons(null),
	]);
	const states = new Map(comparisons.map((one) => [one.project, one]));
	const items = rows.map((one) => presentProject(one, baseUrl, { missing: [], notices: [], comparison: states.get(one.name) ?? null }));
	return json({ items, next_cursor: null } satisfies Page<Project>);
}

async function get(context: Caller): Promise<Response> {
	return json(await describeProject(context, await requireProject(context)));
}

/** POST /projects */
async function create(context: Caller & Bodied<typeof projectRequest>): Promise<Response> {
	const created = await createProject(context, await context.readBody());
	return json(created, 201, { Location: `/api/v1/projects/${created.name}` });
}

/** PATCH /projects/:name: omitted settings stay unchanged. */
async function change(context: Caller & Bodied<typeof projectChange>): Promise<Response> {
	return json(await editProject(context, await context.readBody()));
}

/** DELETE /projects/:name: deletes the project and its secrets; its runs stay. */
async function remove(context: Caller): Promise<Response> {
	await deleteProject(context);
	return new Response(null, { status: 204 });
}

export const projectRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects",
		allow: ["user"],
		action: "read",
		description: { summary: "All projects, by name", answers: { 200: listOf(projects.project) } },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/projects",
		allow: ["user"],
		action: "projects.create",
		description: { summary: "Create a project", answers: { 201: projects.project } },
		body: projects.projectRequest,
		handle: create,
	}),
	route({
		method: "GET",
		path: "/api/v1/projects/:name",
		allow: ["user"],
		action: "read",
		description: { summary: "A project", answers: { 200: projects.project } },
		handle: get,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/projects/:name",
		allow: ["user"],
		action: "projects.change",
		description: { summary: "Change a project; omitted settings stay unchanged", answers: { 200: projects.project } },
		body: projects.projectChange,
		handle: change,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/projects/:name",
		allow: ["user"],
		action: "projects.create",
		description: { summary: "Delete a project and its secrets; its runs stay", answers: { 204: null } },
		handle: remove,
	}),
];
