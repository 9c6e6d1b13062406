import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { approvalRequest } from "../../../schema/wire/resources.ts";
import { readText, validated } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { approveJobOf, approveRunOf, declineJobOf, declineRunOf } from "../service.ts";

/** The words beside the button. */
async function commentOf({ request }: RequestContext<"user">): Promise<string | null> {
	const form = new URLSearchParams(await readText(request, MAX_PROTOCOL_BODY_BYTES));
	const { comment } = validated(approvalRequest, { comment: (form.get("comment") ?? "").trim() });
	return comment || null;
}

export async function approve(context: RequestContext<"user">): Promise<Response> {
	const { job } = await approveJobOf(context, await commentOf(context));
	return backTo(`/runs/${job.run_id}`);
}

export async function decline(context: RequestContext<"user">): Promise<Response> {
	const { job } = await declineJobOf(context, await commentOf(context));
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
