import type { RerunRequest } from "../../schema/wire/resources.ts";
import { approverOf } from "../api/approvals.ts";
import type { RequestContext } from "../api/context.ts";
import { requireJob } from "../api/jobs.ts";
import { rerunOf } from "../api/reruns.ts";
import { deleteFinishedRun } from "../api/runs.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";

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

export async function approve({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	const { job } = unwrap(await dispatcherOf(environment, principal.team).approve(params.id ?? "", approverOf(principal)));
	return backTo(`/runs/${job.run_id}`);
}

export async function decline({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	const { job } = unwrap(await dispatcherOf(environment, principal.team).decline(params.id ?? "", approverOf(principal), null));
	return backTo(`/runs/${job.run_id}`);
}

export async function deleteRun(context: RequestContext<"user">): Promise<Response> {
	await deleteFinishedRun(context);
	return backTo("/");
}

export async function pause({ environment, principal }: RequestContext<"user">): Promise<Response> {
	await dispatcherOf(environment, principal.team).pause(principal.name, null);
	return backTo("/");
}

export async function resume({ environment, principal }: RequestContext<"user">): Promise<Response> {
	await dispatcherOf(environment, principal.team).resume();
	return backTo("/");
}

function backTo(location: string): Response {
	return new Response(null, { status: 303, headers: { Location: location } });
}
