import { ApiError } from "../../schema/wire/errors.ts";
import type { Submitted } from "../bindings.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import { answerSubmitted } from "../runs/api.ts";
import { comparedProject } from "./comparison_pipeline.ts";
import { comparisonSubmission } from "./submit_comparison.ts";

/** Comparing the refs of a project with those last heard of, because somebody asks for it. */

type Caller = RequestContext<"user">;

/** POST /projects/:name/compare */
async function compare(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	return answerSubmitted(context, await compareProject(context));
}

/** @throws ApiError `not_found`, `conflict` for a project whose refs are not compared */
export async function compareProject(context: Caller): Promise<Submitted> {
	const { environment, principal, requestId } = context;
	const project = await requireProject(context);
	const compared = comparedProject(project);
	if (!compared) {
		throw new ApiError(
			"conflict",
			`The refs of the project ${project.name} are not compared: it has no repository, or neither hook_secret nor poll.`,
			{
				suggestions: [`windlass projects edit ${project.name} --repository https://… --poll 5m`],
			},
		);
	}
	const actor = actorOf(principal);
	const submit = await comparisonSubmission(compared, { kind: "manual", actor });
	const answer = unwrap(await dispatcherOf(environment, principal.team).compare(submit));
	log("info", "comparison asked for", { request_id: requestId, project: project.name, run: answer.runId, actor });
	return answer;
}

export const comparisonRoutes = [route("POST", "/api/v1/projects/:name/compare", ["user"], compare)];
