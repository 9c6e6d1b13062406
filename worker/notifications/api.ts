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
	return json({ notified: await testNotifications(context) } satisfies NotifyAnswer, 202);
}

const UNDELIVERED = { limit: limit() };

/** GET /projects/:name/undelivered */
async function listUndelivered(context: Caller & Queried<typeof UNDELIVERED>): Promise<Response> {
	const { name } = await requireProject(context);
	return json({ items: await undeliveredOf(context, name, context.query.limit), next_cursor: null });
}

export const notificationRoutes = [
	route({
		method: "POST",
		path: "/api/v1/runs/:id/notify",
		allow: ["user"],
		action: "notifications.test",
		description: { summary: "Send the notifications of the pipeline of a run, as a test", answers: { 202: notifications.notifyAnswer } },
		handle: test,
	}),
	route({
		method: "GET",
		path: "/api/v1/projects/:name/undelivered",
		allow: ["user"],
		action: "read",
		description: {
			summary: "Commit statuses and notifications of a project that are not delivered yet, or have failed",
			answers: { 200: listOf(notifications.undelivered) },
		},
		query: UNDELIVERED,
		handle: listUndelivered,
	}),
];
