import { nextTime } from "../../schema/wire/cron.ts";
import type { Schedule } from "../../schema/wire/schedules.ts";
import type { ScheduleRow } from "../queue/core/discovery/schedules.ts";
import { isoTime } from "../record/iso_time.ts";

const TIMES_SHOWN = 5;

/** @param now milliseconds since 1970; `next` holds later times */
export function presentSchedule(row: ScheduleRow, now: number): Schedule {
	const { id, project, origin, cron, timezone, branch, file, pipeline, params, paused_by, fired_at, run_id, error, created_at } = row;
	const next: string[] = [];
	for (
		let at = nextTime(cron, timezone, now);
		paused_by === null && at !== null && next.length < TIMES_SHOWN;
		at = nextTime(cron, timezone, at)
	)
		next.push(isoTime(at));
	return {
		id,
		project,
		origin,
		cron,
		timezone,
		branch,
		file,
		pipeline,
		params: JSON.parse(params) as Record<string, string>,
		paused_by,
		next,
		fired_at: isoTime(fired_at),
		run_id,
		error,
		created_at: isoTime(created_at),
	};
}
