import { type TriggerRequest, triggerRequest } from "../../schema/wire/discovery.ts";
import type { Submitted } from "../bindings.ts";
import { readJson } from "../http/bodies.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import { answerSubmitted, idempotencyOf } from "../runs/api.ts";
import { ofBranch } from "../schedules/submission.ts";
import { discoverySubmission } from "./submit_discovery.ts";

/** Running what the repository of a project says, because somebody asks for it. */

type Caller = RequestContext<"user">;

/** POST /projects/:name/trigger */
async function trigger(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return answerSubmitted(context, await triggerProject(context, await readJson(context.request, triggerRequest)));
}

/** @throws ApiError `not_found`, `conflict` for a project without a repository */
export async function triggerProject(
	context: Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">,
	{ branch, tag, file, params }: TriggerRequest,
): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const project = await requireProject(context);
	const actor = actorOf(principal);
	const ofHead = ofBranch("manual", branch ?? project.default_branch, actor);
	const meant = tag === undefined ? ofHead : { ...ofHead, ref: `refs/tags/${tag}`, branch: null, tag };
	const submit = await discoverySubmission(project, meant, { file: file ?? null, params }, { delivery: null, idempotency: null });
	const idempotency = await idempotencyOf(context, JSON.stringify(["trigger", project.id, meant.ref, file, params]));
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit({ ...submit, idempotency }));
	log("info", "project triggered", { request_id: requestId, project: project.name, run: answer.runId, actor });
	return answer;
}

export const discoveryRoutes = [route("POST", "/api/v1/projects/:name/trigger", ["user"], trigger)];
