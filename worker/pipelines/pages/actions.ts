import { ApiError } from "../../../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { readText } from "../../http/bodies.ts";
import { actorOf, type RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { filledIn, givenIn } from "../../ui/parameter_fields.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import { requirePipeline, triggerPipeline } from "../service.ts";
import { restoreVersion } from "../versions.ts";
import { pipelinePage } from "./pipeline_page.tsx";

/** Starts a run with the parameters of the form. A form with errors keeps its values. */
export async function runPipeline(context: RequestContext<"user">): Promise<Response> {
	const given = givenIn(new URLSearchParams(await readText(context.request, MAX_PIPELINE_BYTES)));
	try {
		const { runId } = await triggerPipeline(context, { params: filledIn(given) });
		return backTo(`/runs/${runId}`);
	} catch (error) {
		const errors = error instanceof ApiError ? validationErrorsIn(error) : [];
		if (errors.length === 0) throw error;
		return pipelinePage(context, { given, errors });
	}
}

export async function restorePipeline(context: RequestContext<"user">): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_PROTOCOL_BODY_BYTES));
	const pipeline = await requirePipeline(context);
	Object.assign(context.noted, { name: pipeline.name, project: pipeline.project, version: form.get("version") });
	await restoreVersion(context.environment, pipeline, Number(form.get("version")), actorOf(context.principal));
	return backTo(`/pipelines/${context.params.id}`);
}
