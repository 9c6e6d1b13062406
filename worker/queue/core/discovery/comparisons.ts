import type { Reason, RunState } from "../../../../schema/wire/states.ts";
import { type Core, command } from "../core.ts";
import { addEffect } from "../effects/effects.ts";
import { findRun, type RunRow } from "../rows.ts";
import { clearTimer, setTimer, setTimerNoLater } from "../timers.ts";

/**
 * When the refs of projects are compared with the known ones: after an outage, and as often as a
 * project asks for. The queue watches the clock. A side effect submits the job, and its agent lists
 * the refs. refs.ts handles the result.
 */

/** A project whose refs are compared. */
export interface ComparedProject {
	project: string;
	repository: string;
	/** Null: only after an outage. */
	pollMs: number | null;
}

export interface ComparisonRow {
	project: string;
	repository: string;
	poll_ms: number | null;
	/** 0 before the first comparison, which only records the refs. */
	is_recorded: number;
	/** The newest run that compares them. */
	run_id: string | null;
	/** The run whose result was handled last. */
	result_of: string | null;
	compared_at: number | null;
	/** How many of the refs that this run listed were new. */
	found: number;
	/** How many comparisons have failed since the last success. */
	failures: number;
	/** Why the newest comparison failed; null if it did not. */
	error: string | null;
}

/** A comparison with the time of the next one, for readers. */
export type ComparisonState = ComparisonRow & { next_at: number | null };

/** People set secrets after the project that names them, and deliveries may come out of order. */
const SETTLE_MS = 60_000;
/** A failed comparison is repeated after this time, doubled each time. */
const FIRST_RETRY_MS = 60_000;
const MAX_RETRY_MS = 60 * 60_000;
const MAX_ERROR_CHARACTERS = 500;

const OUTAGE = "outage";
const NO_REFS = "The agent listed no refs. Update the agent to the version of the coordinator.";

/** The state of every comparison of the team, or of one project. */
export function readComparisons(core: Core, project: string | null): ComparisonState[] {
	return core.sql.all<ComparisonState>(
		`SELECT c.*, t.due_at AS next_at FROM comparisons AS c LEFT JOIN timers AS t ON t.kind = 'comparison' AND t.id = c.project
		${project === null ? "" : "WHERE c.project = ?"} ORDER BY c.project`,
		...(project === null ? [] : [project]),
	);
}

export function findComparison(core: Core, project: string): ComparisonRow | undefined {
	return core.sql.all<ComparisonRow>("SELECT * FROM comparisons WHERE project = ?", project)[0];
}

/**
 * Starts to compare the refs of a project, or changes the settings. The refs of a new repository
 * are recorded first.
 */
export function followProject(core: Core, wanted: ComparedProject): void {
	command(core, () => follow(core, wanted));
}

/** Stops the comparisons of a project and deletes its known refs. */
export function unfollowProject(core: Core, project: string): void {
	command(core, () => unfollow(core, project));
}

/**
 * After an absence of the coordinator, deliveries may be lost. Compares these projects at once, and
 * stops the comparisons of all others.
 */
export function compareAll(core: Core, wanted: readonly ComparedProject[]): void {
	command(core, () => {
		const names = new Set(wanted.map(({ project }) => project));
		for (const { project } of readComparisons(core, null)) if (!names.has(project)) unfollow(core, project);
		for (const one of wanted) {
			const isNew = follow(core, one);
			if (!isNew) setTimer(core, "comparison", one.project, core.now());
		}
	});
}

/** @returns whether no refs of the repository were known before */
function follow(core: Core, { project, repository, pollMs }: ComparedProject): boolean {
	const known = findComparison(core, project);
	if (known?.repository === repository) {
		core.sql.all("UPDATE comparisons SET poll_ms = ? WHERE project = ?", pollMs, project);
		if (known.poll_ms !== pollMs && pollMs !== null) setTimer(core, "comparison", project, core.now() + pollMs);
		return false;
	}
	unfollow(core, project);
	core.sql.all("INSERT INTO comparisons (project, repository, poll_ms) VALUES (?, ?, ?)", project, repository, pollMs);
	setTimer(core, "comparison", project, core.now() + SETTLE_MS);
	return true;
}

function unfollow(core: Core, project: string): void {
	for (const table of ["comparisons", "known_refs", "delivered_commits"]) core.sql.all(`DELETE FROM ${table} WHERE project = ?`, project);
	clearTimer(core, "comparison", project);
}

/**
 * Compares the refs of a project after a short time, in which late deliveries arrive. Call it
 * inside a command.
 */
export function compareSoon(core: Core, project: string): void {
	setTimerNoLater(core, "comparison", project, core.now() + SETTLE_MS);
}

/** Starts a due comparison, unless one runs already. Call it inside a command. */
export function fireComparison(core: Core, project: string): void {
	const row = findComparison(core, project);
	if (!row) return;
	const isUnderWay = findUnfinished(core, row) !== null;
	const next = isUnderWay ? Math.min(row.poll_ms ?? SETTLE_MS, SETTLE_MS) : row.poll_ms;
	if (next !== null) setTimer(core, "comparison", project, core.now() + next);
	const key = `compare ${project}`;
	if (!isUnderWay && !isEffectPending(core, key)) addEffect(core, key, { kind: "compare_refs", project });
}

/** Records that the coordinator, with its webhooks, was away. Call it inside a command. */
export function recordOutage(core: Core): void {
	if (!isEffectPending(core, OUTAGE)) addEffect(core, OUTAGE, { kind: "compare_all" });
}

function isEffectPending(core: Core, key: string): boolean {
	return core.sql.all("SELECT 1 FROM effects WHERE key = ? LIMIT 1", key).length > 0;
}

/** The run that compares the refs of a project now; null if there is none. */
export function findUnfinished(core: Core, { run_id }: ComparisonRow): string | null {
	const run = run_id === null ? undefined : findRun(core, run_id);
	return run && run.finished_at === null ? run.id : null;
}

/**
 * Handles the end of a comparison run. A failed one is repeated. Call it inside the command that
 * ends the run.
 */
export function recordComparisonEnd(core: Core, run: RunRow, state: RunState, reason: Reason | null): void {
	const row = findComparison(core, run.project);
	if (row?.run_id !== run.id || row.result_of === run.id) return;
	recordFailure(core, row, state === "succeeded" ? NO_REFS : (reason?.text ?? `The comparison is ${state}.`));
}

/** Records that a comparison could not begin. */
export function recordComparisonError(core: Core, project: string, error: string): void {
	command(core, () => {
		const row = findComparison(core, project);
		if (row) recordFailure(core, row, error);
	});
}

function recordFailure(core: Core, { project, poll_ms, failures }: ComparisonRow, error: string): void {
	const retry = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
	const text = error.slice(0, MAX_ERROR_CHARACTERS);
	core.sql.all("UPDATE comparisons SET failures = failures + 1, error = ? WHERE project = ?", text, project);
	setTimer(core, "comparison", project, core.now() + Math.min(poll_ms ?? retry, retry));
}
