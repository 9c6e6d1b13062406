import { pipelineJsonSchema } from "../../schema/pipeline/json_schema.ts";
import { lintingPipeline } from "../../schema/pipeline/lint.ts";
import type { SlicedWork } from "../../schema/pipeline/sliced_work.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import type { PipelineCheck } from "../../schema/wire/resources.ts";
import { inTurn } from "../in_turn.ts";
import { json } from "./answers.ts";
import { readBytes } from "./bodies.ts";
import { type RequestContext, route } from "./context.ts";
import { EVERYONE } from "./health.ts";
import { decodingText } from "./large_texts.ts";
import { onlyParameters } from "./queries.ts";

/** What there is to say of pipelines without running them. */

/** POST /pipelines/validate: every fault of a pipeline, or the jobs that it would make. */
async function validate({ request, url }: RequestContext<"user" | "host">): Promise<Response> {
	onlyParameters(url, []);
	const bytes = await readBytes(request, MAX_PIPELINE_BYTES);
	return json(await inTurn(lintingBody(bytes), bytes.byteLength));
}

function* lintingBody(bytes: Uint8Array): SlicedWork<PipelineCheck> {
	return yield* lintingPipeline(yield* decodingText(bytes));
}

/** GET /schema/pipeline.json: the language for editors. */
function schema(): Response {
	return json(pipelineJsonSchema(), 200, { "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*" });
}

export const pipelineRoutes = [
	route("POST", "/api/v1/pipelines/validate", ["user", "host"], validate),
	route("GET", "/schema/pipeline.json", EVERYONE, schema),
];
