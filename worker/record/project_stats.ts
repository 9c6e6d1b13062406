import { firstId } from "../../schema/wire/ids.ts";
import { isFailure } from "../../schema/wire/state_words.ts";
import type { RunState } from "../../schema/wire/states.ts";

/** How the runs of a project ended and how long they took, by day. */

const DAYS = 30;
const DAY_MS = 86_400_000;
/** The newest runs that are looked at: a very busy project shows fewer days. */
const RUNS_SEEN = 5_000;

interface DayStats {
	/** `2026-11-30`, in UTC. */
	day: string;
	succeeded: number;
	failed: number;
	/** Percentiles of successful runs, in milliseconds; null without one. */
	p50: number | null;
	p90: number | null;
	/** The median time until a run begins. */
	queued: number | null;
}

export interface ProjectStats {
	/** Oldest first; days without a run have zeros. */
	days: DayStats[];
	/** The share of successes among the runs that succeeded or failed, from 0 to 1; null without one. */
	passRate: number | null;
	p50: number | null;
	p90: number | null;
	queued: number | null;
}

interface SeenRun {
	state: RunState;
	created_at: number;
	started_at: number | null;
	finished_at: number | null;
}

/** The last 30 days of a project. */
export async function projectStats(db: D1Database, team: string, project: string, now: number): Promise<ProjectStats> {
	const { results } = await db
		.prepare(
			`SELECT state, created_at, started_at, finished_at FROM runs
			WHERE team = ?1 AND project = ?2 AND id >= ?3 AND kind = 'pipeline' ORDER BY id DESC LIMIT ${RUNS_SEEN}`,
		)
		.bind(team, project, firstId("run", now - DAYS * DAY_MS))
		.all<SeenRun>();
	const byDay = Map.groupBy(results, ({ created_at }) => dayOf(created_at));
	const names = Array.from({ length: DAYS }, (_, index) => dayOf(now - (DAYS - 1 - index) * DAY_MS));
	const { succeeded, failed, p50, p90, queued } = statsOf("", results);
	return {
		days: names.map((day) => statsOf(day, byDay.get(day) ?? [])),
		passRate: succeeded + failed === 0 ? null : succeeded / (succeeded + failed),
		p50,
		p90,
		queued,
	};
}

function dayOf(time: number): string {
	return new Date(time).toISOString().slice(0, 10);
}

function statsOf(day: string, runs: readonly SeenRun[]): DayStats {
	const took = sorted(
		runs.flatMap(({ state, started_at, finished_at }) =>
			state === "succeeded" && started_at && finished_at ? finished_at - started_at : [],
		),
	);
	const waited = sorted(runs.flatMap(({ created_at, started_at }) => (started_at === null ? [] : Math.max(0, started_at - created_at))));
	return {
		day,
		succeeded: runs.filter(({ state }) => state === "succeeded").length,
		failed: runs.filter(({ state }) => isFailure(state)).length,
		p50: percentile(took, 0.5),
		p90: percentile(took, 0.9),
		queued: percentile(waited, 0.5),
	};
}

function sorted(values: number[]): number[] {
	return values.sort((a, b) => a - b);
}

function percentile(values: readonly number[], share: number): number | null {
	return values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null;
}
