import type { Delivery } from "../../schema/wire/deliveries.ts";
import * as deliveries from "../../schema/wire/deliveries.ts";
import { notFound } from "../../schema/wire/errors.ts";
import type { Page } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { listOf, pageOf } from "../http/pages.ts";
import { idCursor, limit } from "../http/parameters.ts";
import type { RequestContext } from "../http/route.ts";
import { type Queried, route } from "../http/route.ts";
import { requireProject } from "../record/require.ts";
import { answerSubmitted } from "../runs/service.ts";
import { presentDelivery } from "./present.ts";
import { replayDelivery } from "./service.ts";
import { findDelivery, listDeliveries } from "./store.ts";

type Caller = RequestContext<"user">;

const LIST = { limit: limit(), cursor: idCursor("delivery") };

/** GET /projects/:name/deliveries: newest first. */
async function list(context: Caller & Queried<typeof LIST>): Promise<Response> {
	const { query, environment, principal } = context;
	const { name: project } = await requireProject(context);
	const rows = await listDeliveries(environment.DB, principal.team, { project, limit: query.limit + 1, after: query.cursor });
	return json(pageOf(rows, query.limit, presentDelivery) satisfies Page<Delivery>);
}

async function get({ params, environment, principal }: Caller): Promise<Response> {
	const found = await findDelivery(environment.DB, principal.team, params.id ?? "");
	if (!found) throw notFound("delivery", params.id ?? "");
	return json(presentDelivery(found));
}

/** POST /deliveries/:id/replay */
async function replay(context: Caller): Promise<Response> {
	return answerSubmitted(context, await replayDelivery(context));
}

export const deliveryRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects/:name/deliveries",
		allow: ["user"],
		action: "read",
		description: {
			summary: "The deliveries to a project with their outcomes, newest first",
			answers: { 200: listOf(deliveries.delivery) },
		},
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/deliveries/:id",
		allow: ["user"],
		action: "read",
		description: { summary: "A delivery", answers: { 200: deliveries.delivery } },
		handle: get,
	}),
	route({
		method: "POST",
		path: "/api/v1/deliveries/:id/replay",
		allow: ["user"],
		action: "deliveries.replay",
		description: {
			summary: "Replay a delivery with the present settings of its project",
			headers: { "Idempotency-Key": "the same key is the same run, for a day" },
			answers: { 201: resources.submittedRun },
		},
		handle: replay,
	}),
];
