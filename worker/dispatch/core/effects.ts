import { type ArchivedLogNote, logArchived } from "./archived_logs.ts";
import { type Core, command } from "./core.ts";
import { forgetIfDone } from "./outbox.ts";

/**
 * Effects are edges: something outside must happen because a state changed. They are written in the transaction of
 * the change and happen at least once, in order per key; whoever receives one must take a repeat for what it is.
 */

/** What ends a log: the shard takes no byte beyond `declared`, then archives. */
interface SealEffect {
	kind: "seal";
	attemptId: string;
	leaseId: string;
	runId: string;
	jobId: string;
	shard: number;
	/** How many bytes the agent says it sent; null when nobody said. */
	declaredBytes: number | null;
}
/** What makes the test results of an attempt part of the tests' history. */
interface IndexTestsEffect {
	kind: "index_tests";
	attemptId: string;
	runId: string;
	jobId: string;
	project: string;
	pipeline: string;
	branch: string | null;
	commit: string | null;
	at: number;
	/** The R2 object of the cases, and its size. */
	key: string;
	size: number;
}
export type Effect = SealEffect | IndexTestsEffect;

export interface PendingEffect {
	seq: number;
	tries: number;
	effect: Effect;
}

const MAX_TRIES = 30;
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 60_000;

export function addEffect(core: Core, key: string, effect: Effect): void {
	core.sql.all(
		"INSERT INTO effects (kind, key, payload, due_at) VALUES (?, ?, ?, ?)",
		effect.kind,
		key,
		JSON.stringify(effect),
		core.now(),
	);
}

/** Of each key only the first effect may happen, so that their order holds. */
const IS_FIRST = "NOT EXISTS (SELECT 1 FROM effects AS earlier WHERE earlier.key = e.key AND earlier.seq < e.seq)";

/**
 * Takes the effects that are due, oldest first. Each falls due again after `flightMs`, unless it is noted as done or failed before.
 */
export function takeEffects(core: Core, limit: number, flightMs: number): PendingEffect[] {
	const now = core.now();
	// Most often there is none; looking is much cheaper than taking.
	if ((nextEffectDue(core) ?? Number.POSITIVE_INFINITY) > now) return [];
	return command(core, () =>
		core.sql.all<{ seq: number; payload: string; tries: number }>(
			`UPDATE effects SET due_at = ? WHERE seq IN
			(SELECT seq FROM effects AS e WHERE due_at <= ? AND is_dead = 0 AND ${IS_FIRST} ORDER BY due_at LIMIT ?) RETURNING seq, payload, tries`,
			now + flightMs,
			now,
			limit,
		),
	)
		.sort((a, b) => a.seq - b.seq)
		.map(({ seq, payload, tries }) => ({ seq, tries, effect: JSON.parse(payload) as Effect }));
}

/** What became of an effect. */
export interface EffectOutcome {
	pending: PendingEffect;
	/** Where the log lies, if that is known already. */
	archived: ArchivedLogNote | null;
	/** Null if the effect has happened. */
	error: string | null;
}

/**
 * Notes what became of effects: one that has happened is done with, and a run that waited for it alone may leave; one that has not is
 * put off, and after thirty failures it is dead, which `/readyz` shows.
 */
export function noteOutcomes(core: Core, outcomes: readonly EffectOutcome[]): void {
	command(core, () => {
		for (const { pending, archived, error } of outcomes) {
			if (error === null) effectDone(core, pending, archived);
			else effectFailed(core, pending, error);
		}
	});
}

function effectDone(core: Core, { seq, effect }: PendingEffect, archived: ArchivedLogNote | null): void {
	core.sql.all("DELETE FROM effects WHERE seq = ?", seq);
	if (archived) logArchived(core, effect.attemptId, archived);
	forgetIfDone(core, effect.runId);
}

function effectFailed(core: Core, { seq, tries }: PendingEffect, error: string): void {
	const pause = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** tries);
	core.sql.all(
		"UPDATE effects SET tries = ?, due_at = ?, error = ?, is_dead = ? WHERE seq = ?",
		tries + 1,
		core.now() + pause,
		error.slice(0, 500),
		tries + 1 >= MAX_TRIES ? 1 : 0,
		seq,
	);
}

/** When the next effect falls due; null if there is none. */
export function nextEffectDue(core: Core): number | null {
	return (
		core.sql.all<{ due: number | null }>(`SELECT min(due_at) AS due FROM effects AS e WHERE is_dead = 0 AND ${IS_FIRST}`)[0]?.due ?? null
	);
}

/** Tries once more what was given up. */
export function retryEffects(core: Core): void {
	core.sql.all("UPDATE effects SET is_dead = 0, tries = 0, due_at = ? WHERE is_dead = 1", core.now());
}

export function deadEffects(core: Core): number {
	return core.sql.all<{ n: number }>("SELECT count(*) AS n FROM effects WHERE is_dead = 1")[0]?.n ?? 0;
}
