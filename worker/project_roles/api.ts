import * as wire from "../../schema/wire/project_roles.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { grantRole, rolesIn, takeRole } from "./service.ts";

type Caller = RequestContext<"user">;

async function list(context: Caller): Promise<Response> {
	return json({ items: await rolesIn(context), next_cursor: null });
}

async function grant(context: Caller & Bodied<typeof wire.projectRoleRequest>): Promise<Response> {
	const { role } = await context.readBody();
	await grantRole(context, role);
	const person = context.params.person ?? "";
	return json((await rolesIn(context)).find((one) => one.person === person));
}

async function take(context: Caller): Promise<Response> {
	await takeRole(context);
	return new Response(null, { status: 204 });
}

export const projectRoleRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects/:name/roles",
		allow: ["user"],
		action: "projects.grant",
		description: { summary: "The people with a greater role in a project", answers: { 200: listOf(wire.projectRole) } },
		handle: list,
	}),
	route({
		method: "PUT",
		path: "/api/v1/projects/:name/roles/:person",
		allow: ["user"],
		action: "projects.grant",
		description: { summary: "Give a person a greater role in a project", answers: { 200: wire.projectRole } },
		body: wire.projectRoleRequest,
		handle: grant,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/projects/:name/roles/:person",
		allow: ["user"],
		action: "projects.grant",
		description: { summary: "Take a role in a project again", answers: { 204: null } },
		handle: take,
	}),
];
