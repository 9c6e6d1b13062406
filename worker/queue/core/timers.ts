import type { Core } from "./core.ts";
import { type AttemptRow, changeRow, type OfferRow } from "./rows.ts";

/** Timers whose times are columns of live rows: the end of an offer, and of a lease. */
type RowTimerKind = "offer" | "lease";

/** Timers in a table of their own. The id names an attempt, a job, a run, an agent, or a scope and key. */
type StoredTimerKind =
	| "cancel"
	| "job_timeout"
	| "backoff"
	| "approval"
	| "run_approval"
	| "run_timeout"
	| "decline"
	| "warm_wait"
	| "agent_silent"
	| "presence"
	| "idempotency"
	| "registration"
	| "schedule"
	| "comparison"
	| "housekeeping";

export type TimerKind = RowTimerKind | StoredTimerKind;

export interface Timer {
	kind: TimerKind;
	id: string;
	due_at: number;
}

/** Sets the timer of this kind and id, and replaces an earlier setting. */
export function setTimer(core: Core, kind: StoredTimerKind, id: string, dueAt: number): void {
	core.hints.timerSet(dueAt);
	core.sql.all(
		"INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET due_at = excluded.due_at",
		kind,
		id,
		dueAt,
	);
}

/** Sets the timer of this kind and id, unless it is set to an earlier time. */
export function setTimerNoLater(core: Core, kind: StoredTimerKind, id: string, dueAt: number): void {
	core.hints.timerSet(dueAt);
	core.sql.all(
		"INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET due_at = min(due_at, excluded.due_at)",
		kind,
		id,
		dueAt,
	);
}

/** Sets the one timer of this kind and id, unless it is set. */
export function startTimer(core: Core, kind: StoredTimerKind, dueAt: number, id = ""): void {
	const { startedTimers } = core.hints;
	const key = `${kind} ${id}`;
	if (startedTimers.has(key)) return;
	startedTimers.add(key);
	core.hints.timerSet(dueAt);
	core.sql.all("INSERT INTO timers (kind, id, due_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", kind, id, dueAt);
}

export function clearTimer(core: Core, kind: StoredTimerKind, id: string): void {
	core.hints.startedTimers.delete(`${kind} ${id}`);
	core.sql.all("DELETE FROM timers WHERE kind = ? AND id = ?", kind, id);
}

/** Clears the timers of these kinds for one id. */
export function clearTimers(core: Core, kinds: readonly StoredTimerKind[], id: string): void {
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
	const stored = core.sql.all<{ due_at: number | null }>("SELECT min(due_at) AS due_at FROM timers")[0]?.due_at ?? null;
	const due = [...(stored === null ? [] : [stored]), ...rowTimers(core).map(({ due_at }) => due_at)];
	core.hints.timersFrom = due.length === 0 ? null : due.reduce((first, at) => Math.min(first, at));
}

/** The due timers, oldest first. */
export function dueTimers(core: Core, now: number, limit: number): Timer[] {
	const stored = core.sql.all<Timer>("SELECT kind, id, due_at FROM timers WHERE due_at <= ? ORDER BY due_at, kind, id LIMIT ?", now, limit);
	const due = [...stored, ...rowTimers(core).filter(({ due_at }) => due_at <= now)];
	return due.sort(byDue).slice(0, limit);
}

/** What is due at the same time has one order, wherever it is stored. */
function byDue(a: Timer, b: Timer): number {
	return a.due_at - b.due_at || (`${a.kind} ${a.id}` < `${b.kind} ${b.id}` ? -1 : 1);
}

function rowTimers(core: Core): Timer[] {
	const offers = core.rows.live<OfferRow>("offers");
	const attempts = core.rows.live<AttemptRow>("attempts");
	return [
		...offers.map(({ attempt_id, expires_at }): Timer => ({ kind: "offer", id: attempt_id, due_at: expires_at })),
		...attempts.map(({ id, deadline }): Timer => ({ kind: "lease", id, due_at: deadline })),
	];
}

/** When the timer of this kind and id is due now; null if it is not set. */
export function dueAtOf(core: Core, { kind, id }: Pick<Timer, "kind" | "id">): number | null {
	if (kind === "offer") return core.rows.liveRow<OfferRow>("offers", id)?.expires_at ?? null;
	if (kind === "lease") return core.rows.liveRow<AttemptRow>("attempts", id)?.deadline ?? null;
	return core.sql.all<{ due_at: number }>("SELECT due_at FROM timers WHERE kind = ? AND id = ?", kind, id)[0]?.due_at ?? null;
}

/** Sets a timer whose handler has failed to a later time. */
export function postpone(core: Core, { kind, id }: Timer, dueAt: number): void {
	if (kind !== "offer" && kind !== "lease") {
		setTimer(core, kind, id, dueAt);
		return;
	}
	if (kind === "offer") changeRow(core, "offers", id, { expires_at: dueAt });
	else changeRow(core, "attempts", id, { deadline: dueAt });
	core.hints.timerSet(dueAt);
}
