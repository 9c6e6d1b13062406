import { triggerRequest } from "../schema/wire/discovery.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { MAX_PIPELINE_BYTES, MAX_PROTOCOL_BODY_BYTES } from "../schema/wire/limits.ts";
import type { RerunRequest } from "../schema/wire/resources.ts";
import { approveJobOf, approveRunOf, declineJobOf, declineRunOf } from "./approvals/api.ts";
import { triggerProject } from "./discovery/api.ts";
import { compareProject } from "./discovery/comparisons_api.ts";
import { readText, validated } from "./http/bodies.ts";
import { actorOf, type RequestContext } from "./http/route.ts";
import { requireJob } from "./jobs/api.ts";
import { testNotifications } from "./notifications/api.ts";
import { requirePipeline, triggerPipeline } from "./pipelines/api.ts";
import { pipelinePage } from "./pipelines/pages/pipeline_page.tsx";
import { restoreVersion } from "./pipelines/service.ts";
import { dispatcherOf } from "./platform/dispatcher.ts";
import { unwrap } from "./platform/result.ts";
import { deleteFinishedRun } from "./runs/api.ts";
import { rerunOf } from "./runs/reruns.ts";
import { pauseSchedule as setPaused } from "./schedules/api.ts";
import { backTo } from "./ui/back_to.ts";
import { onceConfirmed } from "./ui/confirm.tsx";
import { filledIn, givenIn } from "./ui/parameter_fields.tsx";
import { validationErrorsIn } from "./ui/validation_errors.tsx";
import { replayDelivery } from "./webhooks/deliveries_api.ts";

/** What a page can change. Each answers with the page that it was asked from. */

export async function cancelRun({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	unwrap(await dispatcherOf(environment, principal.team).cancelRun(params.id ?? "", principal.name));
	return backTo(`/runs/${params.id}`);
}

export async function cancelJob({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	unwrap(await dispatcherOf(environment, principal.team).cancelJob(params.id ?? "", principal.name));
	return backTo(`/jobs/${params.id}`);
}

export function rerun(context: RequestContext<"user">): Promise<Response> {
	return repeat(context, {});
}

export function rerunFailed(context: RequestContext<"user">): Promise<Response> {
	return repeat(context, { only: "failed" });
}

/** A job, and those that need it, in a new run. */
export async function rerunJob(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal, params } = context;
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	return repeat({ ...context, params: { id: job.run_id } }, { job: job.id });
}

async function repeat(context: RequestContext<"user">, asked: RerunRequest): Promise<Response> {
	const { runId } = await rerunOf(context, asked);
	return backTo(`/runs/${runId}`);
}

export async function approve(context: RequestContext<"user">): Promise<Response> {
	const { job } = await approveJobOf(context);
	return backTo(`/runs/${job.run_id}`);
}

export async function decline(context: RequestContext<"user">): Promise<Response> {
	const { job } = await declineJobOf(context, null);
	return backTo(`/runs/${job.run_id}`);
}

/** Lets a run pass that comes from another repository. */
export async function approveRun(context: RequestContext<"user">): Promise<Response> {
	await approveRunOf(context);
	return backTo(`/runs/${context.params.id}`);
}

export async function declineRun(context: RequestContext<"user">): Promise<Response> {
	await declineRunOf(context, null);
	return backTo(`/runs/${context.params.id}`);
}

export async function notify(context: RequestContext<"user">): Promise<Response> {
	await testNotifications(context);
	return backTo(`/runs/${context.params.id}`);
}

/** What the repository of a project says, of the branch that the form names. */
export async function trigger(context: RequestContext<"user">): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_PROTOCOL_BODY_BYTES));
	const branch = (form.get("branch") ?? "").trim();
	const { runId } = await triggerProject(context, validated(triggerRequest, branch === "" ? {} : { branch }));
	return backTo(`/runs/${runId}`);
}

export async function compare(context: RequestContext<"user">): Promise<Response> {
	const { runId } = await compareProject(context);
	return backTo(`/runs/${runId}`);
}

export async function replay(context: RequestContext<"user">): Promise<Response> {
	const { runId } = await replayDelivery(context);
	return backTo(`/runs/${runId}`);
}

export async function pauseSchedule(context: RequestContext<"user">): Promise<Response> {
	const text = "It makes no runs until somebody resumes it. Times that pass meanwhile are not made up for.";
	return onceConfirmed(context, { title: "Pause the schedule", text, button: "Pause the schedule", back: "/projects" }, async () => {
		const { project } = await setPaused(context, true);
		return backTo(`/projects/${project}`);
	});
}

export async function resumeSchedule(context: RequestContext<"user">): Promise<Response> {
	const { project } = await setPaused(context, false);
	return backTo(`/projects/${project}`);
}

/** A run of a pipeline that is kept, with the parameters that the form says; a form with faults comes back with them. */
export async function runPipeline(context: RequestContext<"user">): Promise<Response> {
	const given = givenIn(new URLSearchParams(await readText(context.request, MAX_PIPELINE_BYTES)));
	try {
		const { runId } = await triggerPipeline(context, { params: filledIn(given) });
		return backTo(`/runs/${runId}`);
	} catch (error) {
		const faults = error instanceof ApiError ? validationErrorsIn(error) : [];
		if (faults.length === 0) throw error;
		return pipelinePage(context, { given, faults });
	}
}

export async function restorePipeline(context: RequestContext<"user">): Promise<Response> {
	const form = new URLSearchParams(await readText(context.request, MAX_PROTOCOL_BODY_BYTES));
	await restoreVersion(context.environment, await requirePipeline(context), Number(form.get("version")), actorOf(context.principal));
	return backTo(`/pipelines/${context.params.id}`);
}

export async function deleteRun(context: RequestContext<"user">): Promise<Response> {
	const question = {
		title: "Delete the run",
		text: "The run goes with its logs and artifacts. Nobody can bring it back.",
		button: "Delete the run",
		back: `/runs/${context.params.id}`,
	};
	return onceConfirmed(context, question, async () => {
		await deleteFinishedRun(context);
		return backTo("/");
	});
}

export async function pause(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const text = "No job of any project starts until somebody resumes the queue. What runs goes on.";
	return onceConfirmed(context, { title: "Pause the queue", text, button: "Pause the queue", back: "/" }, async () => {
		await dispatcherOf(environment, principal.team).pause(principal.name, null);
		return backTo("/");
	});
}

export async function resume({ environment, principal }: RequestContext<"user">): Promise<Response> {
	await dispatcherOf(environment, principal.team).resume();
	return backTo("/");
}
