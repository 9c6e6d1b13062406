import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { unwrap } from "../../platform/result.ts";
import { requireJob, requireRunRow } from "../../record/require.ts";
import { assertMayCancel } from "../../runs/service.ts";
import { backTo } from "../../ui/back_to.ts";

export async function cancelJob({ environment, principal, params }: RequestContext<"user">): Promise<Response> {
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	assertMayCancel(principal, await requireRunRow(environment, principal.team, job.run_id));
	unwrap(await dispatcherOf(environment, principal.team).cancelJob(params.id ?? "", principal.name));
	return backTo(`/jobs/${params.id}`);
}
