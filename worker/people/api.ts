import * as people from "../../schema/wire/people.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import {
	changeRole,
	invitationsFor,
	invite,
	peopleFor,
	removePerson,
	resetPassword,
	signOutPerson,
	withdrawInvitation,
} from "./service.ts";

type Caller = RequestContext<"user">;

async function list(context: Caller): Promise<Response> {
	return json({ items: await peopleFor(context), next_cursor: null });
}

async function create(context: Caller & Bodied<typeof people.invitationRequest>): Promise<Response> {
	return json(await invite(context, await context.readBody()), 201);
}

async function change(context: Caller & Bodied<typeof people.personChange>): Promise<Response> {
	const { role } = await context.readBody();
	return json(await changeRole(context, role));
}

async function reset(context: Caller): Promise<Response> {
	return json(await resetPassword(context), 201);
}

async function remove(context: Caller): Promise<Response> {
	await removePerson(context);
	return new Response(null, { status: 204 });
}

async function signOut(context: Caller): Promise<Response> {
	await signOutPerson(context);
	return new Response(null, { status: 204 });
}

async function listInvitations(context: Caller): Promise<Response> {
	return json({ items: await invitationsFor(context), next_cursor: null });
}

async function withdraw(context: Caller): Promise<Response> {
	await withdrawInvitation(context);
	return new Response(null, { status: 204 });
}

export const peopleRoutes = [
	route({
		method: "GET",
		path: "/api/v1/people",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "The people of the team", answers: { 200: listOf(people.person) } },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/people",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "Invite somebody; only this answer has the link, which works once", answers: { 201: people.invitation } },
		body: people.invitationRequest,
		handle: create,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/people/:id",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "Change the role of a person", answers: { 200: people.person } },
		body: people.personChange,
		handle: change,
	}),
	route({
		method: "POST",
		path: "/api/v1/people/:id/reset",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "A link with which a person sets a new password", answers: { 201: people.invitation } },
		handle: reset,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/people/:id",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "Remove a person with their sessions and personal tokens", answers: { 204: null } },
		handle: remove,
	}),
	route({
		method: "POST",
		path: "/api/v1/people/:id/sign-out",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "End the sessions and personal tokens of a person", answers: { 204: null } },
		handle: signOut,
	}),
	route({
		method: "GET",
		path: "/api/v1/invitations",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "The invitations that nobody has used yet", answers: { 200: listOf(people.openInvitation) } },
		handle: listInvitations,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/invitations/:name",
		allow: ["user"],
		action: "people.manage",
		description: { summary: "Withdraw an invitation: its link works no more", answers: { 204: null } },
		handle: withdraw,
	}),
];
