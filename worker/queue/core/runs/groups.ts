import type { Core } from "../core.ts";
import type { JobRow, RunRow } from "../rows.ts";

/**
 * Concurrency groups: a limited number runs at once, and the others wait in order of priority and
 * entry. Groups of runs and groups of jobs are separate, and a run enters its own first. A run
 * holds its slot from its admission to its end. A job holds one from the offer to the end of the
 * attempt, and waits for nothing else meanwhile: no two can wait for each other. The newest
 * submission that names a group sets its limit.
 */

/**
 * The state of a run's group slot. During the submission it is open whether the run may be
 * admitted: that depends on its approval.
 */
export const GROUP_SLOT = { entering: -1, wanted: 0, held: 1 } as const;

/**
 * The key of a group in a project. Runs and jobs are in different tables, so their groups share
 * only the limit. Each pull request of a fork has groups of its own. It must not end runs of the
 * project or of other pull requests, nor raise their limit.
 */
export function groupKey(
	kind: "run" | "job",
	{ project, isTrusted, pullRequest, group }: { project: string; isTrusted: boolean; pullRequest: number | null; group: string },
): string {
	return JSON.stringify([kind, isTrusted ? project : `#${pullRequest} of ${project}`, group]);
}

/** The name that a group has in the pipeline. */
export function groupName(key: string): string {
	return (JSON.parse(key) as [string, string, string])[2];
}

export function setGroupLimit(core: Core, key: string, limit: number): void {
	core.sql.all("INSERT INTO groups (key, slots) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET slots = excluded.slots", key, limit);
}

/** Deletes groups without runs and jobs. */
export function deleteIdleGroups(core: Core): void {
	core.sql.all(
		`DELETE FROM groups WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.group_key = groups.key)
		AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.group_key = groups.key)`,
	);
}

function limitOf(core: Core, key: string): number {
	return core.sql.all<{ slots: number }>("SELECT slots FROM groups WHERE key = ?", key)[0]?.slots ?? 1;
}

/** Whether no further job of the group may be offered. */
export function isGroupFull(core: Core, key: string): boolean {
	return jobsHolding(core, key).length >= limitOf(core, key);
}

/** The jobs that hold the slots of a group. */
export function jobsHolding(core: Core, key: string): JobRow[] {
	return core.sql.all<JobRow>("SELECT * FROM jobs WHERE group_key = ? AND state IN ('leased', 'running', 'cancelling')", key);
}

/** The unfinished jobs of a group that were queued before this one. */
export function jobsBefore(core: Core, job: JobRow): JobRow[] {
	return core.sql.all<JobRow>(
		"SELECT * FROM jobs WHERE group_key = ? AND finished_at IS NULL AND queued_at IS NOT NULL AND id <> ? ORDER BY entry",
		job.group_key,
		job.id,
	);
}

/** The runs that hold the slots of a group. */
export function runsHolding(core: Core, key: string): RunRow[] {
	return core.sql.all<RunRow>("SELECT * FROM runs WHERE group_key = ? AND holds_group = 1 AND finished_at IS NULL", key);
}

/** The unfinished runs of a group, oldest first. */
export function runsInGroup(core: Core, key: string): RunRow[] {
	return core.sql.all<RunRow>("SELECT * FROM runs WHERE group_key = ? AND finished_at IS NULL ORDER BY number", key);
}

/** The run that gets the next free slot of its group; null if no slot is free or no run waits. */
export function nextToAdmit(core: Core, key: string): RunRow | null {
	if (runsHolding(core, key).length >= limitOf(core, key)) return null;
	return (
		core.sql.all<RunRow>(
			`SELECT * FROM runs WHERE group_key = ? AND holds_group = 0 AND finished_at IS NULL AND state <> 'waiting' AND cancel_requested = 0
			ORDER BY priority DESC, number LIMIT 1`,
			key,
		)[0] ?? null
	);
}
