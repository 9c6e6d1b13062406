import { pipelineJsonSchema } from "../../schema/pipeline/json_schema.ts";
import { lintingPipeline } from "../../schema/pipeline/lint.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import { inTurn } from "../in_turn.ts";
import { json } from "./answers.ts";
import { readText } from "./bodies.ts";
import { type RequestContext, route } from "./context.ts";
import { EVERYONE } from "./health.ts";
import { onlyParameters } from "./queries.ts";

/** What there is to say of pipelines without running them. */

/** POST /pipelines/validate: every fault of a pipeline, or the jobs that it would make. */
async function validate({ request, url }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	const text = await readText(request, MAX_PIPELINE_BYTES);
	return json(await inTurn(lintingPipeline(text), text.length));
}

/** GET /schema/pipeline.json: the language for editors. */
function schema(): Response {
	return json(pipelineJsonSchema(), 200, { "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*" });
}

export const pipelineRoutes = [
	route("POST", "/api/v1/pipelines/validate", ["user", "host"], validate),
	route("GET", "/schema/pipeline.json", EVERYONE, schema),
];
