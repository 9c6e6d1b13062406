import { notFound } from "../../schema/wire/errors.ts";
import type { Explanation, Job } from "../../schema/wire/resources.ts";
import * as resources from "../../schema/wire/resources.ts";
import { isTerminal, JOB_STATES } from "../../schema/wire/states.ts";
import type { Environment } from "../bindings.ts";
import { json } from "../http/answers.ts";
import { listOf, pageOf } from "../http/pages.ts";
import { idCursor, limit, oneOf, text } from "../http/parameters.ts";
import { actorOf, type Queried, type RequestContext, route } from "../http/route.ts";
import { logProgress } from "../logs/reader.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { unwrap } from "../platform/result.ts";
import { alreadyOver } from "../queue/core/runs/cancel.ts";
import { presentJob, presentJobSummary } from "../runs/present.ts";
import { findJob, type JobRecord, listJobs } from "../runs/store.ts";

type Caller = RequestContext<"user" | "host">;

/** @throws ApiError `not_found` */
export async function requireJob(environment: Environment, team: string, id: string): Promise<JobRecord> {
	const record = await findJob(environment, team, id);
	if (!record) throw notFound("job", id);
	return record;
}

/** A job as it is this moment: the steps of a running attempt come from where its log is. */
export async function describeJob(environment: Environment, record: JobRecord): Promise<Job> {
	const job = presentJob(record);
	const newest = record.attempts.at(-1);
	const presented = job.attempts.at(-1);
	if (!newest || !presented || isTerminal(newest.state)) return job;
	const { steps, bytes } = await logProgress(environment, newest);
	presented.steps = steps;
	presented.log.bytes = bytes;
	return { ...job, steps };
}

/** Why a job is where it is. */
export async function explain(environment: Environment, record: JobRecord): Promise<Explanation> {
	const { job } = record;
	const live = await dispatcherOf(environment, job.team).explain(job.id);
	return (
		live ?? {
			job_id: job.id,
			state: job.state,
			summary: job.reason_text ?? `The job is over: ${job.state}.`,
			position: null,
			waiting_for: [],
			retry_at: null,
			agents: [],
		}
	);
}

const LIST = {
	limit: limit(),
	cursor: idCursor("job"),
	state: oneOf("only those in this state", JOB_STATES),
	run: text("only those of this run"),
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
	if (job.state === "cancelled") return json(presentJob(record));
	if (isTerminal(job.state)) throw alreadyOver("job", job.id, job.state);
	return json(presentJob(unwrap(await dispatcherOf(environment, principal.team).cancelJob(job.id, actorOf(principal)))));
}

export const jobRoutes = [
	route({
		method: "GET",
		path: "/api/v1/jobs",
		allow: ["user", "host"],
		description: { summary: "Jobs, newest first", answers: { 200: listOf(resources.jobSummary) } },
		query: LIST,
		handle: list,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id",
		allow: ["user", "host"],
		description: { summary: "A job, its attempts and steps", answers: { 200: resources.job } },
		handle: get,
	}),
	route({
		method: "GET",
		path: "/api/v1/jobs/:id/explain",
		allow: ["user", "host"],
		description: { summary: "Why a job is where it is", answers: { 200: resources.explanation } },
		handle: getExplanation,
	}),
	route({
		method: "POST",
		path: "/api/v1/jobs/:id/cancel",
		allow: ["user", "host"],
		description: { summary: "Cancel a job", answers: { 200: resources.job } },
		handle: cancel,
	}),
];
