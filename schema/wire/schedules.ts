import * as z from "zod";
import { cronError, isTimeZone } from "./cron.ts";
import { parseDuration } from "./duration.ts";
import { isRef, REF_ERROR } from "./git.ts";
import { isId } from "./ids.ts";
import { isInnerPath } from "./paths.ts";

/** Times at which pipelines of a project run. */

/** The origin of a schedule: a file of the repository, or a person. */
const SCHEDULE_ORIGINS = ["file", "api"] as const;
export type ScheduleOrigin = (typeof SCHEDULE_ORIGINS)[number];

const MINUTE_MS = 60_000;
const MOST_WITHIN_DAYS = 400;

/** How long a run of a schedule may take to succeed after the last one that did. */
const successWithin = z.string().superRefine((value, context) => {
	const ms = parseDuration(value);
	if (ms === null || ms < MINUTE_MS || ms > MOST_WITHIN_DAYS * 24 * 60 * MINUTE_MS)
		context.addIssue({ code: "custom", message: `is not a duration from 1m to ${MOST_WITHIN_DAYS}d, such as 26h` });
});

/** POST /projects/:name/schedules */
export const scheduleRequest = z
	.strictObject({
		/** Minute, hour, day of the month, month, day of the week. */
		cron: z
			.string()
			.max(100)
			.superRefine((value, context) => {
				const error = cronError(value);
				if (error) context.addIssue({ code: "custom", message: error });
			}),
		timezone: z.string().max(60).refine(isTimeZone, "is not a time zone such as Europe/Berlin").default("UTC"),
		/** The branch to run; the default branch of the project without one. */
		branch: z.string().max(200).refine(isRef, REF_ERROR).nullable().default(null),
		/** Only this file of the repository. Without it, the files that a push would run. */
		file: z.string().max(500).refine(isInnerPath, "must be a file of the repository").nullable().default(null),
		/** A stored pipeline, instead of the repository. */
		pipeline: z
			.string()
			.refine((id) => isId("pipeline", id), "is not the id of a pipeline (pip_…)")
			.nullable()
			.default(null),
		params: z.record(z.string().max(100), z.string().max(4096)).default({}),
		/** Null: nothing is expected. */
		expect: z.strictObject({ success_within: successWithin }).nullable().default(null),
	})
	.refine((value) => value.pipeline === null || value.file === null, "takes file or pipeline, not both");
export type ScheduleRequest = z.infer<typeof scheduleRequest>;

/** PATCH /schedules/:id */
export const scheduleChange = z.strictObject({ paused: z.boolean() });

export const schedule = z.object({
	id: z.string(),
	project: z.string(),
	origin: z.enum(SCHEDULE_ORIGINS),
	cron: z.string(),
	timezone: z.string(),
	branch: z.string().nullable(),
	file: z.string().nullable(),
	pipeline: z.string().nullable(),
	params: z.record(z.string(), z.string()),
	/** Who has paused it; null if it is not paused. */
	paused_by: z.string().nullable(),
	/** The next times; empty while it is paused. */
	next: z.array(z.string()),
	/** The last time, and its run. */
	fired_at: z.string().nullable(),
	run_id: z.string().nullable(),
	/** Why it made no run the last time; null otherwise. */
	error: z.string().nullable(),
	/** Null: nothing is expected. */
	expect: z.object({ success_within: z.string() }).nullable(),
	/** When a run of it has succeeded last; null: never since it is told. */
	succeeded_at: z.string().nullable(),
	/** Whether a success is overdue. */
	is_overdue: z.boolean(),
	created_at: z.string(),
});
export type Schedule = z.infer<typeof schedule>;

/** GET /schedules/:id/health: 200, or 503 while a success is overdue. */
export const scheduleHealth = z.object({
	status: z.enum(["ok", "overdue", "paused", "nothing expected"]),
	/** In words. */
	message: z.string(),
	succeeded_at: z.string().nullable(),
	/** By when a run has to succeed; null if nothing is expected. */
	due_at: z.string().nullable(),
});
export type ScheduleHealth = z.infer<typeof scheduleHealth>;
