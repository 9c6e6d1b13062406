import type { NotifyAnswer } from "../../schema/wire/notifications.ts";
import * as notifications from "../../schema/wire/notifications.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import { limit } from "../http/parameters.ts";
import type { RequestContext } from "../http/route.ts";
import { type Queried, route } from "../http/route.ts";
import { requireProject } from "../record/require.ts";
import { testNotifications, undeliveredOf } from "./service.ts";

type Caller = RequestContext<"user">;

/** POST /runs/:id/notify */
async function test(context: Caller): Promise<Response> {
	return json({ told: await testNotifications(context) } satisfies NotifyAnswer, 202);
}

const UNDELIVERED = { limit: limit() };

/** GET /projects/:name/untold */
async function listUndelivered(context: Caller & Queried<typeof UNDELIVERED>): Promise<Response> {
	const { name } = await requireProject(context);
	return json({ items: await undeliveredOf(context, name, context.query.limit), next_cursor: null });
}

export const notificationRoutes = [
	route({
		method: "POST",
		path: "/api/v1/runs/:id/notify",
		allow: ["user"],
		description: { summary: "Tell all whom the pipeline of a run names, as a test", answers: { 202: notifications.notifyAnswer } },
		handle: test,
	}),
	route({
		method: "GET",
		path: "/api/v1/projects/:name/untold",
		allow: ["user"],
		description: {
			summary: "What its forge, and whom its pipelines name, was to be told and was not (yet)",
			answers: { 200: listOf(notifications.untold) },
		},
		query: UNDELIVERED,
		handle: listUndelivered,
	}),
];
