import * as teams from "../../schema/wire/teams.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { makeTeam, renameTeam, teamsFor } from "./service.ts";

type Caller = RequestContext<"user">;

async function list(context: Caller): Promise<Response> {
	return json({ items: await teamsFor(context), next_cursor: null });
}

async function create(context: Caller & Bodied<typeof teams.teamRequest>): Promise<Response> {
	const { team, isNew } = await makeTeam(context, await context.readBody());
	return json(team, isNew ? 201 : 200);
}

async function change(context: Caller & Bodied<typeof teams.teamChange>): Promise<Response> {
	const { name } = await context.readBody();
	return json(await renameTeam(context, name));
}

export const teamRoutes = [
	route({
		method: "GET",
		path: "/api/v1/teams",
		allow: ["user"],
		action: "teams.manage",
		isAtHome: true,
		description: { summary: "All teams", answers: { 200: listOf(teams.team) } },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/teams",
		allow: ["user"],
		action: "teams.manage",
		isAtHome: true,
		description: {
			summary: "Make a team; the same request again answers 200 with the same team",
			answers: { 200: teams.createdTeam, 201: teams.createdTeam },
		},
		body: teams.teamRequest,
		handle: create,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/teams/:slug",
		allow: ["user"],
		action: "teams.manage",
		isAtHome: true,
		description: { summary: "Rename a team", answers: { 200: teams.team } },
		body: teams.teamChange,
		handle: change,
	}),
];
