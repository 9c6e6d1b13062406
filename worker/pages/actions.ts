import type { RequestContext } from "../api/context.ts";
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
