import type { TriggerRequest, triggerRequest } from "../../schema/wire/plans.ts";
import * as plans from "../../schema/wire/plans.ts";
import * as resources from "../../schema/wire/resources.ts";
import { actorOf, type Bodied, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import type { Submitted } from "../queue/dispatcher.ts";
import { answerSubmitted, idempotencyOf } from "../runs/api.ts";
import { ofBranch } from "../schedules/submission.ts";
import { discoverySubmission } from "./submit_discovery.ts";

/** Running what the repository of a project says, because somebody asks for it. */

type Caller = RequestContext<"user">;

/** POST /projects/:name/trigger */
async function trigger(context: Caller & Bodied<typeof triggerRequest>): Promise<Response> {
	return answerSubmitted(context, await triggerProject(context, await context.readBody()));
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

export const discoveryRoutes = [
	route({
		method: "POST",
		path: "/api/v1/projects/:name/trigger",
		allow: ["user"],
		description: {
			summary: "Run what the repository of a project says, of a branch or a tag",
			headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
			answers: { 201: resources.submittedRun },
		},
		body: plans.triggerRequest,
		handle: trigger,
	}),
];
