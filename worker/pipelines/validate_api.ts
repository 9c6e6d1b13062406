import * as z from "zod";
import { lintingPipeline } from "../../schema/pipeline/parse/lint.ts";
import type { SlicedWork } from "../../schema/pipeline/syntax/sliced_work.ts";
import { pipelineJsonSchema } from "../../schema/pipeline/validate/json_schema.ts";
import { MAX_PIPELINE_BYTES } from "../../schema/wire/limits.ts";
import type { PipelineCheck } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { readBytes } from "../http/bodies.ts";
import { decodingText } from "../http/large_texts.ts";
import { type RequestContext, route } from "../http/route.ts";
import { withTurn } from "../platform/turns.ts";
import { EVERYONE } from "../system/service.ts";

/** Validation of pipelines. */

/** POST /pipelines/validate: the errors of a pipeline, or its jobs. */
async function validate({ request }: RequestContext<"user" | "host">): Promise<Response> {
	const bytes = await readBytes(request, MAX_PIPELINE_BYTES);
	return json(await withTurn(lintingBody(bytes), bytes.byteLength));
}

function* lintingBody(bytes: Uint8Array): SlicedWork<PipelineCheck> {
	return yield* lintingPipeline(yield* decodingText(bytes));
}

/** GET /schema/pipeline.json: the JSON Schema for editors. */
function schema(): Response {
	return json(pipelineJsonSchema(), 200, { "Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*" });
}

export const pipelineRoutes = [
	route({
		method: "POST",
		path: "/api/v1/pipelines/validate",
		allow: ["user", "host"],
		action: "read",
		description: {
			summary: "Validate a pipeline or submission: its errors, or its jobs",
			content: { "application/yaml": "a pipeline or a submission", "application/json": "the same" },
			answers: { 200: resources.pipelineCheck },
		},
		handle: validate,
	}),
	route({
		method: "GET",
		path: "/schema/pipeline.json",
		allow: EVERYONE,
		description: { summary: "The pipeline language as JSON Schema", answers: { 200: z.record(z.string(), z.unknown()) } },
		ignoresUnknown: true,
		handle: schema,
	}),
];
