import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { type RequestContext, route } from "../http/route.ts";
import { sweeperOf } from "../platform/sweeper.ts";

/** POST /retention/sweep: deletes expired data now instead of within the hour. */
async function sweep({ environment }: RequestContext<"user" | "host">): Promise<Response> {
	return json(await sweeperOf(environment).sweep());
}

export const retentionRoutes = [
	route({
		method: "POST",
		path: "/api/v1/retention/sweep",
		allow: ["user", "host"],
		action: "retention.sweep",
		description: { summary: "Delete all expired data now", answers: { 200: resources.swept } },
		handle: sweep,
	}),
];
