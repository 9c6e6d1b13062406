import type { HookAnswer } from "../../schema/wire/deliveries.ts";
import * as deliveries from "../../schema/wire/deliveries.ts";
import { notFound } from "../../schema/wire/errors.ts";
import { MAX_HOOK_BYTES } from "../../schema/wire/limits.ts";
import { json } from "../http/answers.ts";
import { readChecked } from "../http/checked_body.ts";
import { type RequestContext, route } from "../http/route.ts";
import type { Claim } from "../identity/wrong_credentials.ts";
import { log } from "../platform/logger.ts";
import { findProjectById } from "../record/projects.ts";
import { handleDelivery } from "./handle_delivery.ts";

/** POST /hooks/prj_…: a delivery of a forge. Its signature alone proves who sent it. */
async function deliver({ request, params, environment, requestId }: RequestContext<"anyone">): Promise<Response> {
	const project = await findProjectById(environment.DB, params.id ?? "");
	if (!project) throw notFound("hook", params.id ?? "");
	const { row, isRepeat } = await handleDelivery(environment, project, {
		headers: request.headers,
		read: (check) => readChecked(request, MAX_HOOK_BYTES, check),
	});
	const { id, outcome, reason, run_id } = row;
	log("info", "delivery received", { request_id: requestId, project: project.name, delivery: id, outcome, run: run_id });
	return json({ id, outcome, reason, run_id, is_repeat: isRepeat } satisfies HookAnswer, 202);
}

/** The key under which wrong signatures of one hook are counted. */
function hookOf(pathname: string): Claim {
	const name = `hook ${pathname.split("/").at(-1)?.slice(0, 40)}`;
	return { name, key: name };
}

export const hookRoutes = [
	route({
		method: "POST",
		path: "/hooks/:id",
		limit: "webhooks",
		allow: ["anyone"],
		description: {
			summary: "Receive a signed webhook of GitHub, Gitea, Forgejo, GitLab, or any program (Standard Webhooks)",
			headers: {
				"webhook-id": "of any program: the id of the delivery",
				"webhook-timestamp": "seconds since 1970, within five minutes",
				"webhook-signature": "v1, and the HMAC-SHA256 of id.timestamp.body in base64",
			},
			answers: { 202: deliveries.hookAnswer },
		},
		ignoresUnknown: true,
		body: deliveries.genericPayload,
		claims: hookOf,
		handle: deliver,
	}),
];
