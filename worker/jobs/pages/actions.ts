import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { unwrap } from "../../platform/result.ts";
import { backTo } from "../../ui/back_to.ts";

export async function cancelJob({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	unwrap(await dispatcherOf(environment, principal.team).cancelJob(params.id ?? "", principal.name));
	return backTo(`/jobs/${params.id}`);
}
