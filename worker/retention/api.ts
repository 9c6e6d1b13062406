import { json } from "../http/answers.ts";
import { onlyParameters } from "../http/queries.ts";
import { type RequestContext, route } from "../http/route.ts";
import { sweeperOf } from "../platform/sweeper.ts";

/** POST /retention/sweep: removes now what would be removed within the hour. */
async function sweep({ url, environment }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	return json(await sweeperOf(environment).sweep());
}

export const retentionRoutes = [route("POST", "/api/v1/retention/sweep", ["user", "host"], sweep)];
