export { presentPipeline } from "./present.ts";
export { findPipeline, listPipelines } from "./store.ts";
export { storedSubmission } from "./versions.ts";

import type { PipelineRow } from "../../schema/database/tables.ts";
import { notFound } from "../../schema/wire/errors.ts";
import type { Submitted } from "../bindings.ts";
import { partError } from "../http/forms.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { idempotencyOf } from "../runs/service.ts";
import { findPipeline } from "./store.ts";
import { storedSubmission } from "./versions.ts";

/** Stored pipelines: lookup and trigger. */

type Caller = RequestContext<"user">;

/** The pipeline that the path names. @throws ApiError `not_found` */
export async function requirePipeline({
	params,
	environment,
	principal,
}: Pick<Caller, "params" | "environment" | "principal">): Promise<PipelineRow> {
	const found = await findPipeline(environment.DB, principal.team, params.id ?? "");
	if (!found) throw notFound("pipeline", params.id ?? "");
	return found;
}

/** @throws ApiError `not_found`, and the errors of a submission */
export async function triggerPipeline(
	context: Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">,
	fields: unknown,
): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const pipeline = await requirePipeline(context);
	if (typeof fields !== "object" || fields === null || Array.isArray(fields))
		throw partError("body", "expected an object with the fields of a submission", '{"params": {"target": "staging"}}');
	for (const key of ["pipeline", "run", "project"])
		if (key in fields) throw partError(key, "is already set by the stored pipeline", "delete it");
	const idempotency = await idempotencyOf(context, JSON.stringify(["trigger", pipeline.id, fields]));
	const by = { kind: "api" as const, actor: actorOf(principal), idempotency };
	const submit = await storedSubmission(environment, principal.team, pipeline, fields as Record<string, unknown>, by);
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit(submit));
	log("info", "pipeline triggered", { request_id: requestId, pipeline: pipeline.id, run: answer.runId, actor: actorOf(principal) });
	return answer;
}
