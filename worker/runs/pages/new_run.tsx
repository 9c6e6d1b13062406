import { checkingPipelineWith } from "../../../schema/pipeline/parse/submission.ts";
import type { ResolvedPipeline } from "../../../schema/pipeline/resolve/resolved.ts";
import type { ParametersText } from "../../../schema/pipeline/validate/parameters.ts";
import { ApiError } from "../../../schema/wire/errors.ts";
import { newId } from "../../../schema/wire/ids.ts";
import { MAX_PIPELINE_BYTES } from "../../../schema/wire/limits.ts";
import { readText } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { sha256 } from "../../identity/digest.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { unwrap } from "../../platform/result.ts";
import { withTurn } from "../../platform/turns.ts";
import { SUBMITTED } from "../../queue/core/runs/submit.ts";
import { page } from "../../ui/layout.tsx";
import { filledIn, givenIn } from "../../ui/parameter_fields.tsx";
import { validationErrorsIn } from "../../ui/validation_errors.tsx";
import { NewRunPage } from "./new_run_page.tsx";

/**
 * The page for a new run. Its form is sent twice: with the pipeline, then with parameter values.
 */

type Reader = RequestContext<"user">;

export function newRunPage(context: Reader): Promise<Response> {
	return formPage(context, { pipeline: "", params: null, given: {}, error: null });
}

export async function submitNewRun(context: Reader): Promise<Response> {
	const { request } = context;
	const form = new URLSearchParams(await readText(request, MAX_PIPELINE_BYTES));
	const pipeline = (form.get("pipeline") ?? "").replaceAll("\r\n", "\n");
	const given = givenIn(form);
	let params: ParametersText | null = null;
	try {
		const checked = await withTurn(checkingPipelineWith(pipeline, { params: filledIn(given) }), pipeline.length);
		params = checked.parameters;
		const isReady = form.get("ready") === "yes" || Object.keys(params).length === 0;
		if (!isReady) return formPage(context, { pipeline, params, given, error: null });
		const { pipeline: resolved, project } = await withTurn(checked.resolving({}), pipeline.length);
		const runId = await submit(context, resolved, project);
		return new Response(null, { status: 303, headers: { Location: `/runs/${runId}` } });
	} catch (error) {
		if (!(error instanceof ApiError)) throw error;
		return formPage(context, { pipeline, params, given, error });
	}
}

async function submit({ environment, principal }: Reader, pipeline: ResolvedPipeline, project: string): Promise<string> {
	const answer = await dispatcherOf(environment, principal.team).submit({
		runId: newId("run"),
		pipeline,
		definition: await sha256(JSON.stringify(pipeline)),
		project,
		trigger: { kind: "api", actor: principal.name, delivery: null },
		commit: null,
		origin: SUBMITTED,
		rerun: null,
		idempotency: null,
	});
	return unwrap(answer).runId;
}

interface FormState {
	pipeline: string;
	params: ParametersText | null;
	given: Record<string, string>;
	error: ApiError | null;
}

function formPage(context: Reader, { error, ...state }: FormState): Promise<Response> {
	const errors = error ? validationErrorsIn(error) : [];
	const message = error && errors.length === 0 ? error.message : null;
	return page(
		context,
		{ title: "New run", section: "runs", children: <NewRunPage {...state} errors={errors} message={message} /> },
		error?.status ?? 200,
	);
}
