import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { approveJobOf, approveRunOf, declineJobOf, declineRunOf } from "../service.ts";

export async function approve(context: RequestContext<"user">): Promise<Response> {
	const { job } = await approveJobOf(context);
	return backTo(`/runs/${job.run_id}`);
}

export async function decline(context: RequestContext<"user">): Promise<Response> {
	const { job } = await declineJobOf(context, null);
	return backTo(`/runs/${job.run_id}`);
}

/** Approves a run of a fork. */
export async function approveRun(context: RequestContext<"user">): Promise<Response> {
	await approveRunOf(context);
	return backTo(`/runs/${context.params.id}`);
}

export async function declineRun(context: RequestContext<"user">): Promise<Response> {
	await declineRunOf(context, null);
	return backTo(`/runs/${context.params.id}`);
}
