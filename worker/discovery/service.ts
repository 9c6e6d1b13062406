export { COMPARISON_ACTOR, comparedProject } from "./comparison_pipeline.ts";
export { type DiscoveryOfRun, discoveredRuns, discoveryNotices } from "./discovered_runs.ts";
export { ALL_FILES } from "./discovery_pipeline.ts";
export { ofBranch } from "./of_branch.ts";
export { discoverySubmission } from "./submit_discovery.ts";

import type { TriggerRequest } from "../../schema/wire/discovery.ts";
import { ApiError } from "../../schema/wire/errors.ts";
import type { Submitted } from "../bindings.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../record/require.ts";
import { idempotencyOf } from "../runs/service.ts";
import { comparedProject } from "./comparison_pipeline.ts";
import { ofBranch } from "./of_branch.ts";
import { comparisonSubmission } from "./submit_comparison.ts";
import { discoverySubmission } from "./submit_discovery.ts";

/** Starts discovery runs and comparisons that a person asks for. */

type Caller = RequestContext<"user">;

/** @throws ApiError `not_found`, `conflict` for a project without a repository */
export async function triggerProject(
	context: Pick<Caller, "request" | "environment" | "params" | "principal" | "requestId">,
	{ branch, tag, file, params }: TriggerRequest,
): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const project = await requireProject(context);
	const actor = actorOf(principal);
	const ofBranchHead = ofBranch("manual", branch ?? project.default_branch, actor);
	const trigger = tag === undefined ? ofBranchHead : { ...ofBranchHead, ref: `refs/tags/${tag}`, branch: null, tag };
	const submit = await discoverySubmission(project, trigger, { file: file ?? null, params }, { delivery: null, idempotency: null });
	const idempotency = await idempotencyOf(context, JSON.stringify(["trigger", project.id, trigger.ref, file, params]));
	const answer = unwrap(await dispatcherOf(environment, principal.team).submit({ ...submit, idempotency }));
	log("info", "project triggered", { request_id: requestId, project: project.name, run: answer.runId, actor });
	return answer;
}

/**
 * Compares the refs of a project with the refs of its deliveries and its last comparison.
 * @throws ApiError `not_found`, `conflict` for a project without comparisons
 */
export async function compareProject(context: Caller): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const project = await requireProject(context);
	const compared = comparedProject(project);
	if (!compared) {
		throw new ApiError("conflict", `The project ${project.name} has no comparisons: it needs a repository, and hook_secret or poll.`, {
			suggestions: [`Run: windlass projects edit ${project.name} --repository https://… --poll 5m`],
		});
	}
	const actor = actorOf(principal);
	const submit = await comparisonSubmission(compared, { kind: "manual", actor });
	const answer = unwrap(await dispatcherOf(environment, principal.team).compare(submit));
	log("info", "comparison requested", { request_id: requestId, project: project.name, run: answer.runId, actor });
	return answer;
}
