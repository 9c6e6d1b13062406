import * as quotas from "../../schema/wire/quotas.ts";
import { json } from "../http/answers.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { changeQuotas, quotaState } from "./service.ts";

type Caller = RequestContext<"user">;

async function get(context: Caller): Promise<Response> {
	return json(await quotaState(context));
}

async function change(context: Caller & Bodied<typeof quotas.quotaChange>): Promise<Response> {
	await changeQuotas(context, await context.readBody());
	return json(await quotaState(context));
}

export const quotaRoutes = [
	route({
		method: "GET",
		path: "/api/v1/quotas",
		allow: ["user"],
		action: "read",
		description: { summary: "The quotas of the team, and how much of each is used", answers: { 200: quotas.quotaState } },
		handle: get,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/quotas",
		allow: ["user"],
		action: "quotas.change",
		description: { summary: "Change quotas of the team", answers: { 200: quotas.quotaState } },
		body: quotas.quotaChange,
		handle: change,
	}),
];
