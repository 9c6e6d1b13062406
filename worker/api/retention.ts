import { sweeperOf } from "../retention/sweeper.ts";
import { json } from "./answers.ts";
import { type RequestContext, route } from "./context.ts";
import { onlyParameters } from "./queries.ts";

/** POST /retention/sweep: removes now what would be removed within the hour. */
async function sweep({ url, environment }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	return json(await sweeperOf(environment).sweep());
}

export const retentionRoutes = [route("POST", "/api/v1/retention/sweep", ["user", "host"], sweep)];
