export { noticesOfDeliveries } from "./delivery_notices.ts";
export { apiGuess, type Forge, forgeOf } from "./forge.ts";
export { resumeDeliveries } from "./handle_delivery.ts";
export { presentDelivery } from "./present.ts";
export { deleteDeliveriesBefore, findDelivery, isOutdated, listDeliveries, newestDeliveries } from "./store.ts";

import type { DeliveryRow } from "../../schema/database/tables.ts";
import { ApiError, notFound } from "../../schema/wire/errors.ts";
import type { Trigger } from "../../schema/wire/triggers.ts";
import type { Submitted } from "../bindings.ts";
import { ALL_FILES, discoverySubmission } from "../discovery/service.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { findProject } from "../record/projects.ts";
import { idempotencyOf } from "../runs/service.ts";
import { whyIgnored } from "./handle_delivery.ts";
import { findDelivery, recordOutcome } from "./store.ts";

/** Replays deliveries. */

type Caller = RequestContext<"user">;

/** The reason of a delivery that is accepted only at its replay. */
const REPLAYED = "replayed after a setting was corrected";

/**
 * Submits a discovery run of a stored delivery with the present settings of its project.
 * @throws ApiError `not_found`, or `conflict` for a delivery that needs no run
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
	const reason = whyIgnored(project, found, trigger);
	if (reason !== null) throw nothingToRun(found, reason);
	const submit = await discoverySubmission(project, trigger, { ...ALL_FILES, isReplay: true }, { delivery: found.id, idempotency: null });
	const idempotency = await idempotencyOf(context, JSON.stringify(["replay", found.id]));
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit({ ...submit, idempotency }));
	if (found.outcome !== "accepted")
		await recordOutcome(environment.DB, found.id, { outcome: "accepted", reason: REPLAYED, runId: answer.runId });
	log("info", "delivery replayed", { request_id: requestId, delivery: found.id, run: answer.runId, actor: actorOf(principal) });
	return answer;
}

function nothingToRun({ id, outcome }: DeliveryRow, reason: string): ApiError {
	return new ApiError("conflict", `The delivery starts no run: ${reason}.`, {
		details: { id, outcome },
		suggestions: ["Correct the settings on the page of the project and replay the delivery, or redeliver it in the forge."],
	});
}
