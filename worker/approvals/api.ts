import type { approvalRequest } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { json } from "../http/answers.ts";
import { type Bodied, type RequestContext, route } from "../http/route.ts";
import { presentJob, presentRun } from "../record/present.ts";
import { approveJobOf, approveRunOf, declineJobOf, declineRunOf } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

async function approve(context: Caller & Bodied<typeof approvalRequest>): Promise<Response> {
	// A request without a body approves without words.
	const hasBody = context.request.body !== null && context.request.headers.get("Content-Length") !== "0";
	const { comment } = hasBody ? await context.readBody() : {};
	return json(presentJob(await approveJobOf(context, comment ?? null)));
}

async function decline(context: Caller & Bodied<typeof approvalRequest>): Promise<Response> {
	const { comment } = await context.readBody();
	return json(presentJob(await declineJobOf(context, comment ?? null)));
}

async function approveRun(context: Caller): Promise<Response> {
	return json(presentRun(await approveRunOf(context), context.baseUrl));
}

async function declineRun(context: Caller & Bodied<typeof approvalRequest>): Promise<Response> {
	const { comment } = await context.readBody();
	return json(presentRun(await declineRunOf(context, comment ?? null), context.baseUrl));
}

export const approvalRoutes = [
	route({
		method: "POST",
		path: "/api/v1/runs/:id/approve",
		allow: ["user", "host"],
		action: "runs.approve",
		description: { summary: "Approve a run of a fork", answers: { 200: resources.run } },
		handle: approveRun,
	}),
	route({
		method: "POST",
		path: "/api/v1/runs/:id/decline",
		allow: ["user", "host"],
		action: "runs.approve",
		description: { summary: "Decline a run of a fork", answers: { 200: resources.run } },
		body: resources.approvalRequest,
		handle: declineRun,
	}),
	route({
		method: "POST",
		path: "/api/v1/jobs/:id/approve",
		allow: ["user", "host"],
		action: "runs.approve",
		description: { summary: "Approve a job", answers: { 200: resources.job } },
		body: resources.approvalRequest,
		handle: approve,
	}),
	route({
		method: "POST",
		path: "/api/v1/jobs/:id/decline",
		allow: ["user", "host"],
		action: "runs.approve",
		description: { summary: "Decline a job", answers: { 200: resources.job } },
		body: resources.approvalRequest,
		handle: decline,
	}),
];
