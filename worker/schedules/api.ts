import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { Page } from "../../schema/wire/resources.ts";
import type { Schedule, scheduleChange, scheduleRequest } from "../../schema/wire/schedules.ts";
import * as schedules from "../../schema/wire/schedules.ts";
import { json } from "../http/answers.ts";
import { listOf } from "../http/pages.ts";
import type { RequestContext } from "../http/route.ts";
import { actorOf, type Bodied, route } from "../http/route.ts";
import { findPipeline } from "../pipelines/service.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../record/require.ts";
import { healthOf, presentSchedule } from "./present.ts";
import { pauseSchedule } from "./service.ts";

type Caller = RequestContext<"user">;

/** GET /projects/:name/schedules */
async function list(context: Caller): Promise<Response> {
	const { name } = await requireProject(context);
	const rows = await dispatcherOf(context.environment, context.principal.team).listSchedules(name);
	const now = Date.now();
	return json({ items: rows.map((row) => presentSchedule(row, now)), next_cursor: null } satisfies Page<Schedule>);
}

/** POST /projects/:name/schedules */
async function create(context: Caller & Bodied<typeof scheduleRequest>): Promise<Response> {
	const { readBody, environment, principal, requestId } = context;
	const project = await requireProject(context);
	const wanted = await readBody();
	if (wanted.pipeline !== null) {
		const pipeline = await findPipeline(environment.DB, principal.team, wanted.pipeline);
		if (pipeline?.project !== project.name) throw notFound("pipeline", wanted.pipeline);
	} else if (project.repository === null) {
		throw new ApiError("conflict", `The project ${project.name} has no repository.`, {
			suggestions: [`Name a stored pipeline (pip_…), or run: windlass projects edit ${project.name} --repository https://…`],
		});
	}
	const row = unwrap(await dispatcherOf(environment, principal.team).addSchedule(newId("schedule"), project.name, wanted));
	Object.assign(context.noted, { schedule: row.id, cron: row.cron, pipeline: wanted.pipeline });
	log("info", "schedule created", { request_id: requestId, schedule: row.id, project: project.name, actor: actorOf(principal) });
	return json(presentSchedule(row, Date.now()), 201, { Location: `/api/v1/schedules/${row.id}` });
}

async function get({ params, environment, principal }: Caller): Promise<Response> {
	return json(presentSchedule(unwrap(await dispatcherOf(environment, principal.team).findSchedule(params.id ?? "")), Date.now()));
}

/** GET /schedules/:id/health */
async function health({ params, environment, principal }: Caller): Promise<Response> {
	const row = unwrap(await dispatcherOf(environment, principal.team).findSchedule(params.id ?? ""));
	const answer = healthOf(row, Date.now());
	return json(answer, answer.status === "overdue" ? 503 : 200);
}

/** PATCH /schedules/:id */
async function change(context: Caller & Bodied<typeof scheduleChange>): Promise<Response> {
	const { paused } = await context.readBody();
	return json(await pauseSchedule(context, paused));
}

async function remove({ params, environment, principal, requestId, noted }: Caller): Promise<Response> {
	const { project, cron } = unwrap(await dispatcherOf(environment, principal.team).findSchedule(params.id ?? ""));
	Object.assign(noted, { project, cron });
	unwrap(await dispatcherOf(environment, principal.team).removeSchedule(params.id ?? ""));
	log("info", "schedule deleted", { request_id: requestId, schedule: params.id, actor: actorOf(principal) });
	return new Response(null, { status: 204 });
}

export const scheduleRoutes = [
	route({
		method: "GET",
		path: "/api/v1/projects/:name/schedules",
		allow: ["user"],
		action: "read",
		description: { summary: "The schedules of a project", answers: { 200: listOf(schedules.schedule) } },
		handle: list,
	}),
	route({
		method: "POST",
		path: "/api/v1/projects/:name/schedules",
		allow: ["user"],
		action: "schedules.change",
		description: { summary: "Create a schedule", answers: { 201: schedules.schedule } },
		body: schedules.scheduleRequest,
		handle: create,
	}),
	route({
		method: "GET",
		path: "/api/v1/schedules/:id",
		allow: ["user"],
		action: "read",
		description: { summary: "A schedule and its next times", answers: { 200: schedules.schedule } },
		handle: get,
	}),
	route({
		method: "GET",
		path: "/api/v1/schedules/:id/health",
		allow: ["user"],
		action: "read",
		description: {
			summary: "For an outside monitor: 503 while a success is overdue, also when no run was made at all",
			answers: { 200: schedules.scheduleHealth, 503: schedules.scheduleHealth },
		},
		handle: health,
	}),
	route({
		method: "PATCH",
		path: "/api/v1/schedules/:id",
		allow: ["user"],
		action: "schedules.change",
		description: { summary: "Pause or resume a schedule", answers: { 200: schedules.schedule } },
		body: schedules.scheduleChange,
		handle: change,
	}),
	route({
		method: "DELETE",
		path: "/api/v1/schedules/:id",
		allow: ["user"],
		action: "schedules.change",
		description: { summary: "Delete a schedule that was created through the API", answers: { 204: null } },
		handle: remove,
	}),
];
