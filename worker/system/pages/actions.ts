import type { RequestContext } from "../../http/route.ts";
import { dispatcherOf } from "../../platform/dispatcher.ts";
import { backTo } from "../../ui/back_to.ts";
import { onceConfirmed } from "../../ui/confirm.tsx";

export async function pause(context: RequestContext<"user">): Promise<Response> {
	const { environment, principal } = context;
	const text = "No job of any project starts until somebody resumes the queue. Running jobs continue.";
	return onceConfirmed(context, { title: "Pause the queue", text, button: "Pause the queue", back: "/" }, async () => {
		await dispatcherOf(environment, principal.team).pause(principal.name, null);
		return backTo("/");
	});
}

export async function resume({ environment, principal }: RequestContext<"user">): Promise<Response> {
	await dispatcherOf(environment, principal.team).resume();
	return backTo("/");
}
