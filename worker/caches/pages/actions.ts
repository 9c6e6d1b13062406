import type { RequestContext } from "../../http/route.ts";
import { backTo } from "../../ui/back_to.ts";
import { removeCache } from "../remove_cache.ts";

/** A cache is made again by the next job: nobody is asked twice. */
export async function deleteCache(context: RequestContext<"user">): Promise<Response> {
	await removeCache(context);
	return backTo(`/projects/${context.params.name}?tab=caches`);
}
