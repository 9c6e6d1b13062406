import type { triggerRequest } from "../../schema/wire/discovery.ts";
import * as discovery from "../../schema/wire/discovery.ts";
import * as resources from "../../schema/wire/resources.ts";
import type { RequestContext } from "../http/route.ts";
import { type Bodied, route } from "../http/route.ts";
import { answerSubmitted } from "../runs/service.ts";
import { triggerProject } from "./service.ts";

type Caller = RequestContext<"user">;

/** POST /projects/:name/trigger */
async function trigger(context: Caller & Bodied<typeof triggerRequest>): Promise<Response> {
	return answerSubmitted(context, await triggerProject(context, await context.readBody()));
}

export const discoveryRoutes = [
	route({
		method: "POST",
		path: "/api/v1/projects/:name/trigger",
		allow: ["user"],
		action: "runs.submit",
		description: {
			summary: "Start the pipelines of the repository of a project, for a branch or a tag",
			headers: { "Idempotency-Key": "the same key with the same content is the same run, for a day" },
			answers: { 201: resources.submittedRun },
		},
		body: discovery.triggerRequest,
		handle: trigger,
	}),
];
