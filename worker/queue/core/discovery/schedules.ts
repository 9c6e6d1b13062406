import { nextTime } from "../../../../schema/wire/cron.ts";
import { parseDuration } from "../../../../schema/wire/duration.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import type { ScheduleOrigin, ScheduleRequest } from "../../../../schema/wire/schedules.ts";
import { type Core, command } from "../core.ts";
import { addEffect } from "../effects/effects.ts";
import { insertInto } from "../sql.ts";
import { clearTimer, setTimer } from "../timers.ts";

/**
 * Schedules: times at which a pipeline of a project runs. The queue watches the clock, and a side
 * effect with the time submits the run. Times during an absence of the coordinator run once.
 */

export interface ScheduleRow {
	id: string;
	project: string;
	origin: ScheduleOrigin;
	/** A file of the repository, or a stored pipeline; both null: all files. */
	file: string | null;
	pipeline: string | null;
	cron: string;
	timezone: string;
	branch: string | null;
	/** JSON map. */
	params: string;
	paused_by: string | null;
	next_at: number | null;
	fired_at: number | null;
	run_id: string | null;
	/** Why it made no run the last time; null if it made one. */
	error: string | null;
	created_at: number;
	/** How long a success may be away after the last one; null: nothing is expected. */
	success_within_ms: number | null;
	/** Since when it is expected. */
	expected_since: number;
	/** When a run of it has succeeded last. */
	succeeded_at: number | null;
	/** JSON list of the runs that it has made last. */
	recent_runs: string;
}

/** A schedule in a file of a repository. */
export interface FileSchedule {
	file: string;
	cron: string;
	timezone: string;
	branch: string | null;
	params: Record<string, string>;
	successWithinMs: number | null;
}

/** So many runs of a schedule may be under way at once and still be known as its own. */
const MAX_RECENT_RUNS = 20;
const MAX_SCHEDULES_PER_PROJECT = 200;
const MAX_ERROR_CHARACTERS = 500;

export function listSchedules(core: Core, project: string): ScheduleRow[] {
	return core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE project = ? ORDER BY id", project);
}

/** @throws ApiError `not_found` */
export function findSchedule(core: Core, id: string): ScheduleRow {
	const [row] = core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE id = ?", id);
	if (!row) throw notFound("schedule", id);
	return row;
}

/**
 * Adds a schedule.
 * @param id given by the caller, so that a call repeated after a lost answer is recognized
 * @throws ApiError `conflict` if the project has too many
 */
export function addSchedule(core: Core, id: string, project: string, wanted: ScheduleRequest): ScheduleRow {
	return command(core, () => {
		const [known] = core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE id = ?", id);
		if (known) return known;
		assertRoom(core, project, 1);
		const { expect, ...rest } = wanted;
		insert(core, id, project, "api", { ...rest, successWithinMs: expect && parseDuration(expect.success_within) });
		return findSchedule(core, id);
	});
}

/** @throws ApiError `not_found`; `conflict` for a schedule of a file of the repository */
export function removeSchedule(core: Core, id: string): void {
	command(core, () => {
		const row = findSchedule(core, id);
		if (row.origin === "file") {
			throw new ApiError("conflict", `The file ${row.file} of the repository asks for this schedule.`, {
				suggestions: ["Remove it from the file, or pause it: windlass schedules pause"],
			});
		}
		deleteSchedule(core, id);
	});
}

/** Pauses or resumes a schedule. Times during the pause do not run. @throws ApiError `not_found` */
export function pauseSchedule(core: Core, id: string, pausedBy: string | null): ScheduleRow {
	return command(core, () => {
		const row = findSchedule(core, id);
		if ((row.paused_by === null) === (pausedBy === null)) return row;
		core.sql.all("UPDATE schedules SET paused_by = ?, expected_since = ? WHERE id = ?", pausedBy, core.now(), id);
		arm(core, { ...row, paused_by: pausedBy });
		return findSchedule(core, id);
	});
}

/** Deletes all schedules of a project. */
export function deleteSchedules(core: Core, project: string): void {
	command(core, () => {
		for (const { id } of listSchedules(core, project)) deleteSchedule(core, id);
		core.sql.all("DELETE FROM adoptions WHERE project = ?", project);
	});
}

/**
 * Updates the schedules of the files of a repository. An unchanged schedule stays as it is, paused
 * or not. Deliveries before the newest applied one change nothing. Call it inside a command.
 */
export function adoptSchedules(core: Core, project: string, delivery: string, wanted: readonly FileSchedule[]): void {
	const isNewest = core.sql.all(
		`INSERT INTO adoptions (project, delivery) VALUES (?, ?)
		ON CONFLICT (project) DO UPDATE SET delivery = excluded.delivery WHERE excluded.delivery >= delivery RETURNING project`,
		project,
		delivery,
	);
	if (isNewest.length === 0) return;
	const known = new Map(
		listSchedules(core, project)
			.filter(({ origin }) => origin === "file")
			.map((row) => [
				contentOf({ ...row, params: JSON.parse(row.params) as Record<string, string>, successWithinMs: row.success_within_ms }),
				row,
			]),
	);
	const different = new Map(wanted.map((one) => [contentOf(one), one]));
	for (const [content, one] of different) {
		if (known.delete(content)) continue;
		if (hasRoom(core, project, 1)) insert(core, core.newId("schedule"), project, "file", one);
		else core.report("a project has too many schedules", { project, file: one.file });
	}
	for (const { id } of known.values()) deleteSchedule(core, id);
}

function contentOf({
	file,
	cron,
	timezone,
	branch,
	params,
	successWithinMs,
}: Omit<FileSchedule, "file"> & { file: string | null }): string {
	return JSON.stringify([file, cron, timezone, branch, Object.entries(params).sort(), successWithinMs]);
}

/**
 * Handles the due time of a schedule. A time that is not submitted yet stands for this one too.
 * Call it inside a command.
 */
export function fireSchedule(core: Core, id: string): void {
	const [row] = core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE id = ?", id);
	if (!row || row.paused_by !== null || row.next_at === null) return;
	const isPending = core.sql.all("SELECT 1 FROM effects WHERE kind = 'fire_schedule' AND key = ? AND tries > 0 LIMIT 1", id).length > 0;
	if (!isPending) addEffect(core, id, { kind: "fire_schedule", scheduleId: id, at: row.next_at });
	core.sql.all("UPDATE schedules SET fired_at = ? WHERE id = ?", core.now(), id);
	arm(core, row);
}

/** Records the run that a schedule has made. A deleted schedule is ignored. */
export function recordScheduled(core: Core, id: string, runId: string): void {
	const [row] = core.sql.all<{ recent_runs: string }>("SELECT recent_runs FROM schedules WHERE id = ?", id);
	if (!row) return;
	const recent = [...(JSON.parse(row.recent_runs) as string[]).filter((one) => one !== runId), runId].slice(-MAX_RECENT_RUNS);
	core.sql.all("UPDATE schedules SET run_id = ?, recent_runs = ?, error = NULL WHERE id = ?", runId, JSON.stringify(recent), id);
}

/** Records that a run of a schedule has succeeded. Call it inside a command. */
export function recordScheduleSuccess(core: Core, run: { id: string; project: string; discovered_by: string | null }): void {
	core.sql.all(
		`UPDATE schedules SET succeeded_at = ? WHERE project = ?
		AND EXISTS (SELECT 1 FROM json_each(recent_runs) WHERE value IN (?, ?))`,
		...[core.now(), run.project, run.id, run.discovered_by ?? run.id],
	);
}

/** By when a run of a schedule has to succeed; null if nothing is expected. */
export function dueOf({ success_within_ms: within, expected_since, succeeded_at, paused_by }: ScheduleRow): number | null {
	return within === null || paused_by !== null ? null : Math.max(expected_since, succeeded_at ?? 0) + within;
}

/** How many schedules metrics tell of. */
const MAX_TOLD = 500;

/** The schedules from which something is expected, and whether a success is overdue. */
export function expectedSchedules(core: Core): { id: string; project: string; isOverdue: boolean }[] {
	return core.sql
		.all<ScheduleRow>("SELECT * FROM schedules WHERE success_within_ms IS NOT NULL ORDER BY id LIMIT ?", MAX_TOLD)
		.map((row) => ({ id: row.id, project: row.project, isOverdue: (dueOf(row) ?? Number.POSITIVE_INFINITY) < core.now() }));
}

/** Records why a schedule made no run. It makes none until somebody changes something. */
export function recordScheduleError(core: Core, id: string, error: string): void {
	core.sql.all("UPDATE schedules SET error = ? WHERE id = ?", error.slice(0, MAX_ERROR_CHARACTERS), id);
}

function insert(
	core: Core,
	id: string,
	project: string,
	origin: ScheduleOrigin,
	wanted: FileSchedule | (Omit<FileSchedule, "file"> & { file: string | null; pipeline: string | null }),
): void {
	const { file, cron, timezone, branch, params, successWithinMs } = wanted;
	const pipeline = "pipeline" in wanted ? wanted.pipeline : null;
	const now = core.now();
	const row = {
		...{ id, project, origin, file, pipeline, cron, timezone, branch, params: JSON.stringify(params), created_at: now },
		...{ success_within_ms: successWithinMs, expected_since: now },
	};
	core.sql.all(...insertInto("schedules", row));
	arm(core, findSchedule(core, id));
}

/** Sets the timer for the next time in the future. */
function arm(core: Core, { id, cron, timezone, paused_by }: ScheduleRow): void {
	const next = paused_by === null ? nextTime(cron, timezone, core.now()) : null;
	core.sql.all("UPDATE schedules SET next_at = ? WHERE id = ?", next, id);
	if (next === null) clearTimer(core, "schedule", id);
	else setTimer(core, "schedule", id, next);
}

/** Sets the timers anew after the clock was changed. Call it inside a command. */
export function rearmSchedules(core: Core): void {
	for (const row of core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE next_at IS NOT NULL")) arm(core, row);
}

function deleteSchedule(core: Core, id: string): void {
	core.sql.all("DELETE FROM schedules WHERE id = ?", id);
	clearTimer(core, "schedule", id);
}

function hasRoom(core: Core, project: string, more: number): boolean {
	const [count] = core.sql.all<{ n: number }>("SELECT count(*) AS n FROM schedules WHERE project = ?", project);
	return (count?.n ?? 0) + more <= MAX_SCHEDULES_PER_PROJECT;
}

function assertRoom(core: Core, project: string, more: number): void {
	if (hasRoom(core, project, more)) return;
	throw new ApiError("conflict", `The project ${project} has ${MAX_SCHEDULES_PER_PROJECT} schedules already.`, {
		suggestions: ["Remove a schedule that is not needed any more: windlass schedules rm"],
	});
}
