import { type Core, command, PRESENCE_MS } from "./core.ts";
import { fireComparison, recordOutage } from "./discovery/comparisons.ts";
import { fireSchedule, rearmSchedules } from "./discovery/schedules.ts";
import { retryEffects } from "./effects/effects.ts";
import { keepHouse } from "./housekeeping.ts";
import { expireOffer } from "./leases/offers.ts";
import { extendLease, recordSilence } from "./leases/polls.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { retryDeadEntries } from "./record/outbox.ts";
import { type AttemptRow, changeRow, findAttempt, findOffer, type OfferRow } from "./rows.ts";
import { expireApproval, expireRunApproval } from "./runs/approvals.ts";
import { timeOutRun } from "./runs/cancel.ts";
import { endBackoff, expireLease, forceCancel, forceTimeout } from "./runs/endings.ts";
import { clearTimer, dueAtOf, dueTimers, nextDue, postpone, readNextDue, startTimer, type Timer, type TimerKind } from "./timers.ts";

/**
 * The passing of time. Every poll and every alarm handles the due timers.
 *
 * A lease may expire only if the coordinator was there to accept its renewal. A sweep that is more
 * than five seconds late means an absence: the coordinator was down or suspended, or its clock was
 * stepped. After an absence, everything that waits for an agent gets a full term again: leases, and
 * the timeouts and cancels that the queue enforces. While a job runs, a timer every five seconds
 * ensures that no longer absence goes unnoticed.
 */

const ABSENCE_MS = 5_000;
/** An absence of this length counts as an outage: forges may have dropped deliveries meanwhile. */
const OUTAGE_MS = 60_000;
/** Smaller corrections of the clock are ignored. */
const CLOCK_SLACK_MS = 1_000;
const SWEEP_LIMIT = 500;
const FAILED_TIMER_PAUSE_MS = 30_000;
/** How long a planned stop may last before its jobs are lost. */
const PLANNED_STOP_MS = 10 * 60_000;

/** Handles all due timers. */
export function sweep(core: Core): void {
	followClock(core);
	const from = nextDue(core);
	if (from === null || from > core.now()) return;
	for (let due = dueTimers(core, core.now(), SWEEP_LIMIT); due.length > 0; due = dueTimers(core, core.now(), SWEEP_LIMIT)) {
		const lateByMs = core.now() - (due[0] as Timer).due_at;
		if (lateByMs > ABSENCE_MS) command(core, () => grantGrace(core));
		if (lateByMs > OUTAGE_MS) command(core, () => recordOutage(core));
		for (const timer of due) handleSafely(core, timer);
	}
	readNextDue(core);
}

/**
 * A timer whose handler fails must not block the others: it is deferred, and the error is logged.
 */
function handleSafely(core: Core, timer: Timer): void {
	try {
		command(core, () => handle(core, timer));
	} catch (error) {
		core.report("a timer failed", { kind: timer.kind, id: timer.id, error: String(error) });
		command(core, () => postpone(core, timer, core.now() + FAILED_TIMER_PAUSE_MS));
	}
}

function handle(core: Core, timer: Timer): void {
	const { kind, id } = timer;
	const dueAt = dueAtOf(core, timer);
	if (dueAt === null || dueAt > core.now()) return;
	if (kind !== "offer" && kind !== "lease") clearTimer(core, kind, id);
	HANDLERS[kind](core, id, core.now() - dueAt);
}

/** The handlers of due timers, by kind. */
const HANDLERS: Record<TimerKind, (core: Core, id: string, lateByMs: number) => void> = {
	offer(core, attemptId) {
		const offer = findOffer(core, attemptId);
		if (offer) expireOffer(core, offer);
	},
	lease: (core, attemptId) => withLive(core, attemptId, expireLease),
	cancel: (core, attemptId) => withLive(core, attemptId, forceCancel),
	job_timeout: (core, attemptId) => withLive(core, attemptId, forceTimeout),
	backoff: endBackoff,
	approval: expireApproval,
	run_approval: expireRunApproval,
	run_timeout: timeOutRun,
	/** No change: the pause has ended, and the `#settle` that follows looks for waiting agents. */
	decline: () => undefined,
	/** As above: the first of the jobs that waited for a warm agent goes to any. */
	warm_wait: () => undefined,
	agent_silent: recordSilence,
	/** Only its lateness matters. */
	presence(core) {
		const isRunning =
			core.rows.live("attempts").length > 0 || core.rows.live<OfferRow>("offers").some(({ is_assigned }) => is_assigned === 1);
		if (isRunning) startTimer(core, "presence", core.now() + PRESENCE_MS);
	},
	idempotency(core, id) {
		const [scope, key] = JSON.parse(id) as [string, string];
		core.sql.all("DELETE FROM idempotency WHERE scope = ? AND key = ?", scope, key);
	},
	housekeeping: (core, _, lateByMs) => keepHouse(core, lateByMs),
	schedule: fireSchedule,
	comparison: fireComparison,
	registration(core, hash) {
		core.sql.all("DELETE FROM registration_tokens WHERE hash = ?", hash);
	},
};

function withLive(core: Core, attemptId: string, end: (core: Core, attempt: AttemptRow) => void): void {
	const attempt = findAttempt(core, attemptId);
	if (attempt && (attempt.state === "running" || attempt.state === "cancelling")) end(core, attempt);
}

/**
 * After an absence, agents get time to report on their jobs. Every lease, every offer, and the
 * queue's own timeouts and cancels of running jobs get a full term from now.
 */
function grantGrace(core: Core): void {
	extendLeases(core, core.settings.leaseTtlMs);
	core.sql.all(
		`UPDATE timers SET due_at = ?1 WHERE kind IN ('cancel', 'job_timeout', 'run_timeout') AND due_at < ?1`,
		core.now() + core.settings.leaseTtlMs,
	);
	extendOffers(core, { isAssigned: false, ms: core.settings.claimWindowMs });
	extendOffers(core, { isAssigned: true, ms: core.settings.leaseTtlMs });
}

/** Moves the end of every offer of a kind to at least this far from now. */
function extendOffers(core: Core, { isAssigned, ms }: { isAssigned: boolean; ms: number }): void {
	const until = core.now() + ms;
	for (const offer of core.rows.live<OfferRow>("offers"))
		if ((offer.is_assigned === 1) === isAssigned && offer.expires_at < until)
			changeRow(core, "offers", offer.attempt_id, { expires_at: until });
}

/** Extends every live lease to at least this far from now. */
function extendLeases(core: Core, ms: number): void {
	const until = core.now() + ms;
	for (const { id } of core.rows.live<AttemptRow>("attempts")) extendLease(core, id, until);
}

/**
 * The queue has been opened. After a restart of the host, however short, agents could not renew.
 * @param bootId random, new at each start of the host; null if there is none
 */
export function recordOpening(core: Core, bootId: string | null): void {
	command(core, () => {
		keepPresence(core);
		if (bootId === null || readMeta(core.sql, "boot_id") === bootId) return;
		writeMeta(core.sql, "boot_id", bootId);
		retryDeadEntries(core);
		retryEffects(core);
		grantGrace(core);
		recordOutage(core);
	});
}

/**
 * The host is about to stop: leases are extended so far that a restart, an upgrade or a reboot
 * loses no job.
 */
export function prepareStop(core: Core): void {
	command(core, () => {
		extendLeases(core, PLANNED_STOP_MS);
		extendOffers(core, { isAssigned: true, ms: PLANNED_STOP_MS });
	});
}

/**
 * A clock that was stepped back moves all timers with it, so that nothing is late. Schedules are an
 * exception: they follow the clock. The length of the absence is unknown, so it counts as one.
 */
function followClock(core: Core): void {
	const now = core.now();
	const back = core.sweptAt - now;
	core.sweptAt = now;
	if (back <= CLOCK_SLACK_MS) return;
	command(core, () => {
		core.sql.all("UPDATE timers SET due_at = due_at - ? WHERE kind <> 'schedule'", back);
		core.hints.timersMoved();
		rearmSchedules(core);
		core.sql.all("UPDATE attempts SET deadline = deadline - ? WHERE state IN ('running', 'cancelling')", back);
		core.sql.all("UPDATE offers SET expires_at = expires_at - ?", back);
		core.sql.all("UPDATE declines SET until = until - ?", back);
		core.sql.all("UPDATE effects SET due_at = due_at - ?", back);
		core.sql.all("UPDATE agents SET last_seen_at = ? WHERE last_seen_at > ?", now, now);
		for (const table of ["known_refs", "delivered_commits"]) core.sql.all(`UPDATE ${table} SET at = ?1 WHERE at > ?1`, now);
		keepPresence(core);
		grantGrace(core);
	});
}

/** The next reading of the clock is always soon, wherever the clock was stepped to. */
function keepPresence(core: Core): void {
	core.sql.all("UPDATE timers SET due_at = ?1 WHERE kind = 'presence' AND due_at > ?1", core.now() + PRESENCE_MS);
	core.hints.timersMoved();
}
