import { type Core, command, readMeta, writeMeta } from "./core.ts";
import { endBackoff, expireLease, forceCancel, forceTimeout } from "./endings.ts";
import { tidyQueue } from "./housekeeping.ts";
import { expireOffer } from "./offers.ts";
import { extendLease, noteSilence } from "./polls.ts";
import { type AttemptRow, findAttempt, findOffer } from "./rows.ts";
import { clearTimer, dueTimers, setTimer, type Timer, type TimerKind } from "./timers.ts";

/**
 * The passing of time. Every poll and every alarm sweeps what has fallen due.
 *
 * A lease may only expire if the coordinator was there to hear its renewal. So a lateness of more than five seconds (the
 * coordinator was down, suspended, or its clock was stepped) is an absence, after which every live lease gets
 * a full term once more.
 */

const ABSENCE_MS = 5_000;
const SWEEP_LIMIT = 500;
const FAULT_PAUSE_MS = 30_000;
/** How long a planned stop may last before it costs a retry. */
const PLANNED_STOP_MS = 10 * 60_000;

/** Handles everything that is due. */
export function sweep(core: Core): void {
	clampLeases(core);
	for (let due = dueTimers(core, core.now(), SWEEP_LIMIT); due.length > 0; due = dueTimers(core, core.now(), SWEEP_LIMIT)) {
		const lateByMs = core.now() - (due[0] as Timer).due_at;
		if (lateByMs > ABSENCE_MS) command(core, () => grantGrace(core, core.settings.leaseTtlMs));
		for (const timer of due) handleSafely(core, timer);
	}
}

/** A timer that cannot be handled must not keep the others from it: it is put off, and the fault is told. */
function handleSafely(core: Core, timer: Timer): void {
	try {
		command(core, () => handle(core, timer));
	} catch (error) {
		core.report("a timer failed", { kind: timer.kind, id: timer.id, error: String(error) });
		command(core, () => setTimer(core, timer.kind, timer.id, core.now() + FAULT_PAUSE_MS));
	}
}

function handle(core: Core, timer: Timer): void {
	const [current] = core.sql.all<{ due_at: number }>("SELECT due_at FROM timers WHERE kind = ? AND id = ?", timer.kind, timer.id);
	if (!current || current.due_at > core.now()) return;
	clearTimer(core, timer.kind, timer.id);
	HANDLERS[timer.kind](core, timer.id);
}

/** What happens when a timer of each kind falls due. */
const HANDLERS: Record<TimerKind, (core: Core, id: string) => void> = {
	offer(core, attemptId) {
		const offer = findOffer(core, attemptId);
		if (offer) expireOffer(core, offer);
	},
	lease: (core, attemptId) => withLive(core, attemptId, expireLease),
	cancel: (core, attemptId) => withLive(core, attemptId, forceCancel),
	job_timeout: (core, attemptId) => withLive(core, attemptId, forceTimeout),
	backoff: endBackoff,
	/** Nothing to write: the pause is over, and whoever sweeps looks for waiting agents afterwards. */
	refusal: () => undefined,
	agent_silent: noteSilence,
	idempotency(core, id) {
		const [scope, key] = JSON.parse(id) as [string, string];
		core.sql.all("DELETE FROM idempotency WHERE scope = ? AND key = ?", scope, key);
	},
	tidy: tidyQueue,
	registration(core, hash) {
		core.sql.all("DELETE FROM registration_tokens WHERE hash = ?", hash);
	},
};

function withLive(core: Core, attemptId: string, end: (core: Core, attempt: AttemptRow) => void): void {
	const attempt = findAttempt(core, attemptId);
	if (attempt && (attempt.state === "running" || attempt.state === "cancelling")) end(core, attempt);
}

/** Moves every live lease to at least this far from now. */
function grantGrace(core: Core, ms: number): void {
	const until = core.now() + ms;
	const behind = core.sql.all<{ id: string }>("SELECT id FROM attempts WHERE state IN ('running', 'cancelling') AND deadline < ?", until);
	for (const { id } of behind) extendLease(core, id, until);
}

/** A new start of the host: whatever time has passed, agents could not renew in it. */
export function noteBoot(core: Core, bootId: string): void {
	command(core, () => {
		if (readMeta(core.sql, "boot_id") === bootId) return;
		writeMeta(core.sql, "boot_id", bootId);
		grantGrace(core, core.settings.leaseTtlMs);
	});
}

/** The host is about to stop on purpose: leases are moved so far that a restart, an upgrade or a reboot kills no build. */
export function planStop(core: Core): void {
	command(core, () => {
		writeMeta(core.sql, "planned_stop_until", String(core.now() + PLANNED_STOP_MS));
		grantGrace(core, PLANNED_STOP_MS);
	});
}

/** No lease reaches beyond now + TTL (or a planned stop): where one does, the clock was stepped back. */
function clampLeases(core: Core): void {
	const now = core.now();
	const beyond = (limit: number) =>
		core.sql.all<{ id: string }>("SELECT id FROM attempts WHERE state IN ('running', 'cancelling') AND deadline > ?", limit);
	if (beyond(now + core.settings.leaseTtlMs).length === 0) return;
	const planned = Math.min(Number(readMeta(core.sql, "planned_stop_until") ?? 0), now + PLANNED_STOP_MS);
	const limit = Math.max(now + core.settings.leaseTtlMs, planned);
	command(core, () => {
		for (const { id } of beyond(limit)) {
			core.sql.all("UPDATE attempts SET deadline = ? WHERE id = ?", limit, id);
			setTimer(core, "lease", id, limit);
		}
	});
}
