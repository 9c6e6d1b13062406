import type { Core } from "./core.ts";

/** The kinds of timers. The id names an attempt, a job, a run, an agent, or a scope and key. */
export type TimerKind =
	| "offer"
	| "lease"
	| "cancel"
	| "job_timeout"
	| "backoff"
	| "approval"
	| "run_approval"
	| "run_timeout"
	| "decline"
	| "agent_silent"
	| "presence"
	| "idempotency"
	| "registration"
	| "schedule"
	| "comparison"
	| "housekeeping";

export interface Timer {
	kind: TimerKind;
	id: string;
	due_at: number;
}

/** Sets the timer of this kind and id, and replaces an earlier setting. */
export function setTimer(core: Core, kind: TimerKind, id: string, dueAt: number): void {
	core.hints.timerSet(dueAt);
	core.sql.all(
		"INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at",
		kind,
		id,
		dueAt,
	);
}

/** Sets the timer of this kind and id, unless it is set to an earlier time. */
export function setTimerNoLater(core: Core, kind: TimerKind, id: string, dueAt: number): void {
	core.hints.timerSet(dueAt);
	core.sql.all(
		"INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET due_at = min(due_at, excluded.due_at)",
		kind,
		id,
		dueAt,
	);
}

/** Sets the one timer of this kind and id, unless it is set. */
export function startTimer(core: Core, kind: TimerKind, dueAt: number, id = ""): void {
	core.hints.timerSet(dueAt);
	core.sql.all("INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", kind, id, dueAt);
}

export function clearTimer(core: Core, kind: TimerKind, id: string): void {
	core.sql.all("DELETE FROM timers WHERE kind = ? AND id = ?", kind, id);
}

/** Clears the timers of these kinds for one id. */
export function clearTimers(core: Core, kinds: readonly TimerKind[], id: string): void {
	core.sql.all(`DELETE FROM timers WHERE id = ? AND kind IN (${kinds.map((kind) => `'${kind}'`).join(", ")})`, id);
}

/**
 * When to look at the timers again: at the earliest of them, or before it where that one was
 * cleared; null if none is set.
 */
export function nextDue(core: Core): number | null {
	return core.hints.timersFrom;
}

/** Reads when the earliest timer is due. Call it outside of a command. */
export function readNextDue(core: Core): void {
	core.hints.timersFrom = core.sql.all<{ due_at: number | null }>("SELECT min(due_at) AS due_at FROM timers")[0]?.due_at ?? null;
}

/** The due timers, oldest first. */
export function dueTimers(core: Core, now: number, limit: number): Timer[] {
	return core.sql.all<Timer>("SELECT kind, id, due_at FROM timers WHERE due_at <= ? ORDER BY due_at LIMIT ?", now, limit);
}
