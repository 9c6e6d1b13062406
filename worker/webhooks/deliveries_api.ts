import type { DeliveryRow } from "../../schema/database/tables.ts";
import type { Delivery } from "../../schema/wire/deliveries.ts";
import * as deliveries from "../../schema/wire/deliveries.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { Page } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import { WHOLE } from "../discovery/discovery_pipeline.ts";
import { discoverySubmission } from "../discovery/submit_discovery.ts";
import { json } from "../http/answers.ts";
import { listOf, pageOf } from "../http/pages.ts";
import { idCursor, limit } from "../http/parameters.ts";
import { actorOf, type Queried, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import { findProject } from "../projects/store.ts";
import type { Submitted } from "../queue/dispatcher.ts";
import { answerSubmitted, idempotencyOf } from "../runs/api.ts";
import { presentDelivery } from "../runs/present.ts";
import { findDelivery, listDeliveries, settleDelivery } from "./store.ts";
import { objectionTo } from "./take_delivery.ts";

/** What was delivered to the hooks of projects, to be looked at and to be taken once more. */

type Caller = RequestContext<"user">;

/** Why a delivery counts that was ignored or refused at first. */
const REPLAYED = "replayed after a setting was corrected";

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

/**
 * Takes once more what a delivery has said, with the project as it is now.
 * @throws ApiError `not_found`, `conflict` for one of which nothing is to be run
 */
export async function replayDelivery(
	context: Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">,
): Promise<Submitted> {
	const { environment, principal, params, requestId } = context;
	const found = await findDelivery(environment.DB, principal.team, params.id ?? "");
	if (!found) throw notFound("delivery", params.id ?? "");
	if (found.trigger === null) throw nothingToRun(found, found.reason);
	const project = await findProject(environment.DB, principal.team, found.project);
	if (!project) throw notFound("project", found.project);
	const trigger = JSON.parse(found.trigger) as Trigger;
	const objection = objectionTo(project, found, trigger);
	if (objection !== null) throw nothingToRun(found, objection);
	const submit = await discoverySubmission(project, trigger, { ...WHOLE, isReplay: true }, { delivery: found.id, idempotency: null });
	const idempotency = await idempotencyOf(context, JSON.stringify(["replay", found.id]));
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit({ ...submit, idempotency }));
	if (found.verdict !== "accepted")
		await settleDelivery(environment.DB, found.id, { verdict: "accepted", reason: REPLAYED, runId: answer.runId });
	log("info", "delivery replayed", { request_id: requestId, delivery: found.id, run: answer.runId, actor: actorOf(principal) });
	return answer;
}

function nothingToRun({ id, verdict }: DeliveryRow, reason: string): ApiError {
	return new ApiError("conflict", `Nothing is to be run of this delivery: ${reason}.`, {
		details: { id, verdict },
		suggestions: ["Correct the project's settings and replay it, or have the forge deliver it once more."],
	});
}

export const deliveryRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects/:name/deliveries",
		allow: ["user"],
		description: {
			summary: "What its forge has delivered, newest first, and what became of it",
			answers: { 200: listOf(deliveries.delivery) },
		},
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/deliveries/:id",
		allow: ["user"],
		description: { summary: "A delivery", answers: { 200: deliveries.delivery } },
		handle: get,
	}),
	route({
		method: "POST",
		path: "/api/v1/deliveries/:id/replay",
		allow: ["user"],
		description: {
			summary: "Take once more what a delivery has said",
			headers: { "Idempotency-Key": "the same key is the same run, for a day" },
			answers: { 201: resources.submittedRun },
		},
		handle: replay,
	}),
];
