import type { RerunRequest } from "../../../schema/wire/resources.ts";
import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { unwrap } from "../../platform/result.ts";
import { requireJob, requireRun } from "../../record/require.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";
import { rerunOf } from "../reruns.ts";
import { assertMayCancel, deleteFinishedRun } from "../service.ts";

/** Forms of the pages of a run. Each handler redirects to a page. */

export async function cancelRun(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal, params } = context;
	assertMayCancel(principal, (await requireRun(context)).run);
	unwrap(await dispatcherOf(environment, principal.team).cancelRun(params.id ?? "", principal.name));
	return backTo(`/runs/${params.id}`);
}

export function rerun(context: RequestContext<"user">): Promise<Response> {
	return repeat(context, {});
}

export function rerunFailed(context: RequestContext<"user">): Promise<Response> {
	return repeat(context, { only: "failed" });
}

/** Reruns a job, and the jobs that need it, in a new run. */
export async function rerunJob(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal, params } = context;
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	return repeat({ ...context, params: { id: job.run_id } }, { job: job.id });
}

async function repeat(context: RequestContext<"user">, request: RerunRequest): Promise<Response> {
	const { runId } = await rerunOf(context, request);
	return backTo(`/runs/${runId}`);
}

export async function deleteRun(context: RequestContext<"user">): Promise<Response> {
	const question = {
		title: "Delete the run",
		text: "This deletes the run, its logs and its artifacts. It cannot be undone.",
		button: "Delete the run",
		back: `/runs/${context.params.id}`,
	};
	return onceConfirmed(context, question, async () => {
		await deleteFinishedRun(context);
		return backTo("/");
	});
}
