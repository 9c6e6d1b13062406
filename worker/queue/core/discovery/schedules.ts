import { nextTime } from "../../../../schema/wire/cron.ts";
import { ApiError, notFound } from "../../../../schema/wire/errors.ts";
import type { ScheduleOrigin, ScheduleRequest } from "../../../../schema/wire/schedules.ts";
import { type Core, command } from "../core.ts";
import { addEffect } from "../effects/effects.ts";
import { insertInto } from "../sql.ts";
import { clearTimer, setTimer } from "../timers.ts";

/**
 * Schedules: times at which something of a project is to be run. The queue watches the clock; what is run is found out outside of it, by an effect
 * that carries the moment. What came while the coordinator was away comes once.
 */

export interface ScheduleRow {
	id: string;
	project: string;
	origin: ScheduleOrigin;
	/** A file of the repository, or a pipeline that is kept here; both null: all files. */
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
	/** Why it made no run when it came last; null if it did. */
	error: string | null;
	created_at: number;
}

/** What a file of a repository asks for. */
export interface FileSchedule {
	file: string;
	cron: string;
	timezone: string;
	branch: string | null;
	params: Record<string, string>;
}

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
 * Makes a schedule.
 * @param id given by the caller, so that a call repeated after a lost answer is seen to be the same
 * @throws ApiError `conflict` if the project has too many
 */
export function addSchedule(core: Core, id: string, project: string, wanted: ScheduleRequest): ScheduleRow {
	return command(core, () => {
		const [known] = core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE id = ?", id);
		if (known) return known;
		assertRoom(core, project, 1);
		insert(core, id, project, "api", wanted);
		return findSchedule(core, id);
	});
}

/** @throws ApiError `not_found`; `conflict` for one that a file of the repository asks for */
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

/** Pauses a schedule, or lets it go on: what would have come meanwhile does not come. @throws ApiError `not_found` */
export function pauseSchedule(core: Core, id: string, pausedBy: string | null): ScheduleRow {
	return command(core, () => {
		const row = findSchedule(core, id);
		if ((row.paused_by === null) === (pausedBy === null)) return row;
		core.sql.all("UPDATE schedules SET paused_by = ? WHERE id = ?", pausedBy, id);
		arm(core, { ...row, paused_by: pausedBy });
		return findSchedule(core, id);
	});
}

/** Removes all schedules of a project. */
export function deleteSchedules(core: Core, project: string): void {
	command(core, () => {
		for (const { id } of listSchedules(core, project)) deleteSchedule(core, id);
		core.sql.all("DELETE FROM adoptions WHERE project = ?", project);
	});
}

/**
 * Brings the schedules that files of a repository ask for in line with what they say now. One that says the same as before stays as it is, paused or
 * not. An earlier delivery than the newest one that was applied changes nothing. To be called inside a command.
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
			.map((row) => [contentOf({ ...row, params: JSON.parse(row.params) as Record<string, string> }), row]),
	);
	const different = new Map(wanted.map((one) => [contentOf(one), one]));
	for (const [content, one] of different) {
		if (known.delete(content)) continue;
		if (hasRoom(core, project, 1)) insert(core, core.newId("schedule"), project, "file", { ...one, pipeline: null });
		else core.report("a project has too many schedules", { project, file: one.file });
	}
	for (const { id } of known.values()) deleteSchedule(core, id);
}

function contentOf({ file, cron, timezone, branch, params }: Omit<FileSchedule, "file"> & { file: string | null }): string {
	return JSON.stringify([file, cron, timezone, branch, Object.entries(params).sort()]);
}

/** The time of a schedule has come. One that still waits to be submitted stands for this one too. To be called inside a command. */
export function fireSchedule(core: Core, id: string): void {
	const [row] = core.sql.all<ScheduleRow>("SELECT * FROM schedules WHERE id = ?", id);
	if (!row || row.paused_by !== null || row.next_at === null) return;
	const isPending = core.sql.all("SELECT 1 FROM effects WHERE kind = 'fire_schedule' AND key = ? AND tries > 0 LIMIT 1", id).length > 0;
	if (!isPending) addEffect(core, id, { kind: "fire_schedule", scheduleId: id, at: row.next_at });
	core.sql.all("UPDATE schedules SET fired_at = ? WHERE id = ?", core.now(), id);
	arm(core, row);
}

/** Notes the run that a schedule has made; one that is gone needs nothing. */
export function recordScheduled(core: Core, id: string, runId: string): void {
	core.sql.all("UPDATE schedules SET run_id = ?, error = NULL WHERE id = ?", runId, id);
}

/** Notes why a schedule has made no run, and will make none before something is changed. */
export function recordScheduleError(core: Core, id: string, error: string): void {
	core.sql.all("UPDATE schedules SET error = ? WHERE id = ?", error.slice(0, MAX_ERROR_CHARACTERS), id);
}

function insert(
	core: Core,
	id: string,
	project: string,
	origin: ScheduleOrigin,
	wanted: Omit<ScheduleRequest, "file"> & { file: string | null },
): void {
	const { file, pipeline, cron, timezone, branch, params } = wanted;
	const row = { id, project, origin, file, pipeline, cron, timezone, branch, params: JSON.stringify(params), created_at: core.now() };
	core.sql.all(...insertInto("schedules", row));
	arm(core, findSchedule(core, id));
}

/** Sets the timer for the next time that is still to come. */
function arm(core: Core, { id, cron, timezone, paused_by }: ScheduleRow): void {
	const next = paused_by === null ? nextTime(cron, timezone, core.now()) : null;
	core.sql.all("UPDATE schedules SET next_at = ? WHERE id = ?", next, id);
	if (next === null) clearTimer(core, "schedule", id);
	else setTimer(core, "schedule", id, next);
}

/** The clock says another time than it did. To be called inside a command. */
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
