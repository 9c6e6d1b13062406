import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { testNotifications } from "../service.ts";

export async function notify(context: RequestContext<"user">): Promise<Response> {
	await testNotifications(context);
	return backTo(`/runs/${context.params.id}`);
}
