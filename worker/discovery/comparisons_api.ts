import * as resources from "../../schema/wire/resources.ts";
import { type RequestContext, route } from "../http/route.ts";
import { answerSubmitted } from "../runs/service.ts";
import { compareProject } from "./service.ts";

type Caller = RequestContext<"user">;

/** POST /projects/:name/compare */
async function compare(context: Caller): Promise<Response> {
	return answerSubmitted(context, await compareProject(context));
}

export const comparisonRoutes = [
	route({
		method: "POST",
		path: "/api/v1/projects/:name/compare",
		allow: ["user"],
		action: "projects.compare",
		description: {
			summary: "Compare the refs of a project with the last known refs and run new commits; a running comparison is returned",
			answers: { 201: resources.submittedRun },
		},
		handle: compare,
	}),
];
