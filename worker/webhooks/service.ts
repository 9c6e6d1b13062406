export { noticesOfDeliveries } from "./delivery_notices.ts";
export { apiGuess, type Forge, forgeOf } from "./forge.ts";
export { presentDelivery } from "./present.ts";
export { isOutdated, listDeliveries, newestHeardOf, removeDeliveriesBefore } from "./store.ts";
export { resumeDeliveries } from "./take_delivery.ts";

import type { DeliveryRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import type { Submitted } from "../bindings.ts";
import { discoverySubmission, WHOLE } from "../discovery/service.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { findProject } from "../record/projects.ts";
import { idempotencyOf } from "../runs/service.ts";
import { findDelivery, settleDelivery } from "./store.ts";
import { objectionTo } from "./take_delivery.ts";

/** What was delivered to the hooks of projects, to be looked at and to be taken once more. */

type Caller = RequestContext<"user">;

/** Why a delivery counts that was ignored or refused at first. */
const REPLAYED = "replayed after a setting was corrected";

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
	if (found.outcome !== "accepted")
		await settleDelivery(environment.DB, found.id, { outcome: "accepted", reason: REPLAYED, runId: answer.runId });
	log("info", "delivery replayed", { request_id: requestId, delivery: found.id, run: answer.runId, actor: actorOf(principal) });
	return answer;
}

function nothingToRun({ id, outcome }: DeliveryRow, reason: string): ApiError {
	return new ApiError("conflict", `Nothing is to be run of this delivery: ${reason}.`, {
		details: { id, outcome },
		suggestions: ["Correct the project's settings and replay it, or have the forge deliver it once more."],
	});
}
