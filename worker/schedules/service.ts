export { presentSchedule } from "./present.ts";

import type { Schedule } from "../../schema/wire/schedules.ts";
import { actorOf, type RequestContext } from "../http/route.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { log } from "../platform/logger.ts";
import { unwrap } from "../platform/result.ts";
import { presentSchedule } from "./present.ts";

type Caller = RequestContext<"user">;

/** Pauses or resumes a schedule. @throws ApiError `not_found` */
export async function pauseSchedule({ params, environment, principal, requestId, noted }: Caller, isPaused: boolean): Promise<Schedule> {
	const by = isPaused ? actorOf(principal) : null;
	const row = unwrap(await dispatcherOf(environment, principal.team).pauseSchedule(params.id ?? "", by));
	Object.assign(noted, { project: row.project, cron: row.cron });
	log("info", isPaused ? "schedule paused" : "schedule resumed", { request_id: requestId, schedule: row.id, actor: actorOf(principal) });
	return presentSchedule(row, Date.now());
}
