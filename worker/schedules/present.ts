import { nextTime } from "../../schema/wire/cron.ts";
import { exactDuration } from "../../schema/wire/duration.ts";
import type { Schedule, ScheduleHealth } from "../../schema/wire/schedules.ts";
import { dueOf, type ScheduleRow } from "../queue/core/discovery/schedules.ts";
import { isoTime } from "../record/iso_time.ts";

const TIMES_SHOWN = 5;

/** @param now milliseconds since 1970; `next` holds later times */
export function presentSchedule(row: ScheduleRow, now: number): Schedule {
	const { id, project, origin, cron, timezone, branch, file, pipeline, params, paused_by, fired_at, run_id, error, created_at } = row;
	const due = dueOf(row);
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
		expect: row.success_within_ms === null ? null : { success_within: exactDuration(row.success_within_ms) },
		succeeded_at: isoTime(row.succeeded_at),
		is_overdue: due !== null && due < now,
		created_at: isoTime(created_at),
	};
}

/** Whether a run of a schedule has succeeded lately, as an outside monitor asks. */
export function healthOf(row: ScheduleRow, now: number): ScheduleHealth {
	const due = dueOf(row);
	const at = { succeeded_at: isoTime(row.succeeded_at), due_at: isoTime(due) };
	const last = row.succeeded_at === null ? "No run of it has succeeded yet" : `A run of it has succeeded at ${isoTime(row.succeeded_at)}`;
	if (row.success_within_ms === null) return { status: "nothing expected", message: `${last}. Nothing is expected of it.`, ...at };
	if (due === null) return { status: "paused", message: `${row.paused_by} has paused it. ${last}.`, ...at };
	const within = exactDuration(row.success_within_ms);
	if (due >= now) return { status: "ok", message: `${last}; the next is expected until ${isoTime(due)}.`, ...at };
	const why = row.error === null ? "" : ` The last time made no run: ${row.error}`;
	return { status: "overdue", message: `${last}, and one is expected every ${within}.${why}`, ...at };
}
