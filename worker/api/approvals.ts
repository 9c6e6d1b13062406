import { approvalRequest } from "../../schema/wire/resources.ts";
import type { Principal } from "../auth/principal.ts";
import type { Approver } from "../dispatch/core/approvals.ts";
import { unwrap } from "../dispatch/result.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import { log } from "../log.ts";
import { json } from "./answers.ts";
import { readJson } from "./bodies.ts";
import { actorOf, type RequestContext, route } from "./context.ts";
import { requireJob } from "./jobs.ts";
import { presentJob } from "./present.ts";
import { onlyParameters } from "./queries.ts";

/** Letting jobs pass their gates, or not. */

type Caller = RequestContext<"user" | "host">;

/** Who decides, and as what: the host acts for those who run it. */
export function approverOf(principal: Extract<Principal, { kind: "user" | "host" }>): Approver {
	return { name: actorOf(principal), role: principal.kind === "user" ? principal.role : "admin" };
}

async function approve({ url, environment, principal, params, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	const rows = unwrap(await dispatcherOf(environment, principal.team).approve(job.id, approverOf(principal)));
	log("info", "job approved", { request_id: requestId, job: job.id, actor: actorOf(principal) });
	return json(presentJob(rows));
}

async function decline({ url, request, environment, principal, params, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	const { comment } = await readJson(request, approvalRequest);
	const { job } = await requireJob(environment, principal.team, params.id ?? "");
	const rows = unwrap(await dispatcherOf(environment, principal.team).decline(job.id, approverOf(principal), comment ?? null));
	log("info", "job declined", { request_id: requestId, job: job.id, actor: actorOf(principal) });
	return json(presentJob(rows));
}

export const approvalRoutes = [
	route("POST", "/api/v1/jobs/:id/approve", ["user", "host"], approve),
	route("POST", "/api/v1/jobs/:id/decline", ["user", "host"], decline),
];
