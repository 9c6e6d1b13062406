import { ApiError, notFound } from "../../schema/wire/errors.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { Page } from "../../schema/wire/resources.ts";
import { type Schedule, scheduleChange, scheduleRequest } from "../../schema/wire/schedules.ts";
import { json } from "../http/answers.ts";
import { readJson } from "../http/bodies.ts";
import { onlyParameters } from "../http/queries.ts";
import { actorOf, type RequestContext, route } from "../http/route.ts";
import { findPipeline } from "../pipelines/store.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { requireProject } from "../projects/api.ts";
import { presentSchedule } from "../runs/present.ts";

/** Times at which something of a project is run. */

type Caller = RequestContext<"user">;

/** GET /projects/:name/schedules */
async function list(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const { name } = await requireProject(context);
	const rows = await dispatcherOf(context.environment, context.principal.team).listSchedules(name);
	const now = Date.now();
	return json({ items: rows.map((row) => presentSchedule(row, now)), next_cursor: null } satisfies Page<Schedule>);
}

/** POST /projects/:name/schedules */
async function create(context: Caller): Promise<Response> {
	const { url, request, environment, principal, requestId } = context;
	onlyParameters(url, []);
	const project = await requireProject(context);
	const wanted = await readJson(request, scheduleRequest);
	if (wanted.pipeline !== null) {
		const pipeline = await findPipeline(environment.DB, principal.team, wanted.pipeline);
		if (pipeline?.project !== project.name) throw notFound("pipeline", wanted.pipeline);
	} else if (project.repository === null) {
		throw new ApiError("conflict", `The project ${project.name} has no repository that could be run.`, {
			suggestions: ["Name a pipeline (pip_…), or give the project a repository."],
		});
	}
	const row = unwrap(await dispatcherOf(environment, principal.team).addSchedule(newId("schedule"), project.name, wanted));
	log("info", "schedule made", { request_id: requestId, schedule: row.id, project: project.name, actor: actorOf(principal) });
	return json(presentSchedule(row, Date.now()), 201, { Location: `/api/v1/schedules/${row.id}` });
}

async function get({ url, params, environment, principal }: Caller): Promise<Response> {
	onlyParameters(url, []);
	return json(presentSchedule(unwrap(await dispatcherOf(environment, principal.team).findSchedule(params.id ?? "")), Date.now()));
}

/** PATCH /schedules/:id */
async function change(context: Caller): Promise<Response> {
	onlyParameters(context.url, []);
	const { paused } = await readJson(context.request, scheduleChange);
	return json(await pauseSchedule(context, paused));
}

/** @throws ApiError `not_found` */
export async function pauseSchedule({ params, environment, principal, requestId }: Caller, isPaused: boolean): Promise<Schedule> {
	const by = isPaused ? actorOf(principal) : null;
	const row = unwrap(await dispatcherOf(environment, principal.team).pauseSchedule(params.id ?? "", by));
	log("info", isPaused ? "schedule paused" : "schedule goes on", { request_id: requestId, schedule: row.id, actor: actorOf(principal) });
	return presentSchedule(row, Date.now());
}

async function remove({ url, params, environment, principal, requestId }: Caller): Promise<Response> {
	onlyParameters(url, []);
	unwrap(await dispatcherOf(environment, principal.team).removeSchedule(params.id ?? ""));
	log("info", "schedule removed", { request_id: requestId, schedule: params.id, actor: actorOf(principal) });
	return new Response(null, { status: 204 });
}

export const scheduleRoutes = [
	route("GET", "/api/v1/projects/:name/schedules", ["user"], list),
	route("POST", "/api/v1/projects/:name/schedules", ["user"], create),
	route("GET", "/api/v1/schedules/:id", ["user"], get),
	route("PATCH", "/api/v1/schedules/:id", ["user"], change),
	route("DELETE", "/api/v1/schedules/:id", ["user"], remove),
];
