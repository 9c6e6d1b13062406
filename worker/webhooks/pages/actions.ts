import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { replayDelivery } from "../service.ts";

export async function replay(context: RequestContext<"user">): Promise<Response> {
	const { runId } = await replayDelivery(context);
	return backTo(`/runs/${runId}`);
}
