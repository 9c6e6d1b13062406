import { triggerRequest } from "../../../schema/wire/discovery.ts";
import { MAX_PROTOCOL_BODY_BYTES } from "../../../schema/wire/limits.ts";
import { readText, validated } from "../../http/bodies.ts";
import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { compareProject, triggerProject } from "../service.ts";

/** Starts a discovery run of the branch in the form. */
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
