import * as resources from "../../schema/wire/resources.ts";
import { isTerminal, JOB_STATES } from "../../schema/wire/states.ts";
import { json } from "../http/answers.ts";
import { listOf, pageOf } from "../http/pages.ts";
import { idCursor, limit, oneOf, text } from "../http/parameters.ts";
import { actorOf, type Queried, type RequestContext, route } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { alreadyOver } from "../queue/core/runs/cancel.ts";
import { presentJob, presentJobSummary } from "../record/present.ts";
import { requireJob, requireRunRow } from "../record/require.ts";
import { listJobs } from "../record/runs.ts";
import { assertMayCancel } from "../runs/service.ts";
import { describeJob, explain } from "./service.ts";

type Caller = RequestContext<"user" | "host">;

const LIST = {
	limit: limit(),
	cursor: idCursor("job"),
	state: oneOf("only jobs in this state", JOB_STATES),
	run: text("only jobs of this run"),
};

async function list({ query, environment, principal }: Caller & Queried<typeof LIST>): Promise<Response> {
	const rows = await listJobs(environment.DB, principal.team, {
		limit: query.limit + 1,
		after: query.cursor,
		state: query.state,
		runId: query.run,
	});
	return json(pageOf(rows, query.limit, presentJobSummary));
}

async function get({ environment, principal, params }: Caller): Promise<Response> {
	return json(await describeJob(environment, await requireJob(environment, principal.team, params.id ?? "")));
}

async function getExplanation({ environment, principal, params }: Caller): Promise<Response> {
	return json(await explain(environment, await requireJob(environment, principal.team, params.id ?? "")));
}

async function cancel({ environment, principal, params }: Caller): Promise<Response> {
	const record = await requireJob(environment, principal.team, params.id ?? "");
	const { job } = record;
	assertMayCancel(principal, await requireRunRow(environment, principal.team, job.run_id));
	if (job.state === "cancelled") return json(presentJob(record));
	if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
	return json(presentJob(unwrap(await dispatcherOf(environment, principal.team).cancelJob(job.id, actorOf(principal)))));
}

export const jobRoutes = [
	route({
		method: "GET",
		path: "/api/v1/jobs",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Jobs, newest first", answers: { 200: listOf(resources.jobSummary) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id",
		visitors: true,
		allow: ["user", "host"],
		action: "read",
		description: { summary: "A job, its attempts and steps", answers: { 200: resources.job } },
		handle: get,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/explain",
		allow: ["user", "host"],
		action: "read",
		description: { summary: "Why a job is in its state", answers: { 200: resources.explanation } },
		handle: getExplanation,
	}),
	route({
		method: "POST",
		path: "/api/v1/jobs/:id/cancel",
		allow: ["user", "host"],
		action: "runs.cancel",
		description: { summary: "Cancel a job", answers: { 200: resources.job } },
		handle: cancel,
	}),
];
