import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { log } from "../../platform/logger.ts";
import { unwrap } from "../../platform/result.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";

export async function pause(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const text = "No job of any project starts until somebody resumes the queue. Running jobs continue.";
	return onceConfirmed(context, { title: "Pause the queue", text, button: "Pause the queue", back: "/queue" }, async () => {
		await dispatcherOf(environment, principal.team).pause(principal.name, null);
		return backTo("/queue");
	});
}

export async function resume({ environment, principal }: RequestContext<"user">): Promise<Response> {
	await dispatcherOf(environment, principal.team).resume();
	return backTo("/queue");
}

/** @see moveToFront of the queue */
export async function moveToFront({ environment, principal, params, requestId }: RequestContext<"user">): Promise<Response> {
	unwrap(await dispatcherOf(environment, principal.team).moveToFront(params.id ?? ""));
	log("info", "job moved to the front", { request_id: requestId, job: params.id, actor: principal.name });
	return backTo("/queue");
}
