import type { HookAnswer } from "../../schema/wire/deliveries.ts";
import { notFound } from "../../schema/wire/errors.ts";
import { MAX_HOOK_BYTES } from "../../schema/wire/limits.ts";
import { findProjectById } from "../catalog/projects.ts";
import { takeDelivery } from "../forges/take_delivery.ts";
import { log } from "../log.ts";
import { json } from "./answers.ts";
import { readBytes } from "./bodies.ts";
import { type RequestContext, route } from "./context.ts";

/** POST /hooks/prj_…: what the forge of a project delivers. Who it is from is told by its signature alone. */
async function deliver({ request, params, environment, requestId }: RequestContext<"anyone">): Promise<Response> {
	const project = await findProjectById(environment.DB, params.id ?? "");
	if (!project) throw notFound("hook", params.id ?? "");
	const bytes = await readBytes(request, MAX_HOOK_BYTES);
	const { row, isRepeat } = await takeDelivery(environment, project, { headers: request.headers, bytes: bytes as Uint8Array<ArrayBuffer> });
	const { id, verdict, reason, run_id } = row;
	log("info", "delivery taken", { request_id: requestId, project: project.name, delivery: id, verdict, run: run_id });
	return json({ id, verdict, reason, run_id, is_repeat: isRepeat } satisfies HookAnswer, 202);
}

export const hookRoutes = [route("POST", "/hooks/:id", ["anyone"], deliver)];
