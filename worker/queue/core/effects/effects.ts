import { type Core, command } from "../core.ts";
import { type ArchivedLogNote, recordArchived } from "../leases/archived_logs.ts";
import { evictDone } from "../record/outbox.ts";
import type { CommitStatusEffect, Effect, NotifyEffect } from "./effect_types.ts";

/**
 * Side effects: work outside of the transaction after a change of state. They are written in the
 * transaction of the change and happen at least once, in order per key. A receiver must recognize a
 * repeat.
 */

/**
 * Internal effects are our own work, external ones need another server. Neither class waits for the
 * other, and no project waits for the servers of another project.
 */
export type EffectClass = "internal" | "external";
/** Effects that run together: all internal ones, or the external ones of one project. */
export interface Queue {
	class: EffectClass;
	/** Null for internal effects. */
	project: string | null;
}
const INTERNAL: Queue = { class: "internal", project: null };
const EXTERNAL_KINDS = "'commit_status', 'notify', 'revoke_forge_token'";
/** The external effects that somebody waits for. */
const REPORTED_KINDS = "'commit_status', 'notify'";
const ofClass = (effectClass: EffectClass) => `e.kind ${effectClass === "internal" ? "NOT IN" : "IN"} (${EXTERNAL_KINDS})`;

export interface PendingEffect {
	seq: number;
	tries: number;
	effect: Effect;
}

/** How often, and with which pauses, an effect is tried. Another server may be down for a night. */
const PATIENCE: Record<EffectClass, { tries: number; firstMs: number; mostMs: number }> = {
	internal: { tries: 30, firstMs: 500, mostMs: 60_000 },
	external: { tries: 80, firstMs: 1_000, mostMs: 15 * 60_000 },
};

/**
 * The longest pause that a server may ask for. The limits of GitHub and GitLab last an hour at
 * most.
 */
const MOST_ASKED_MS = 65 * 60_000;

function classOf(effect: Effect): EffectClass {
	const isExternal = effect.kind === "commit_status" || effect.kind === "notify" || effect.kind === "revoke_forge_token";
	return isExternal ? "external" : "internal";
}

export function addEffect(core: Core, key: string, effect: Effect): void {
	core.rows.append("effects", { kind: effect.kind, key, payload: JSON.stringify(effect), due_at: core.now() });
	core.hints.mayHaveEffects[classOf(effect)] = true;
}

/**
 * Only the first effect of each key may run, which keeps their order. A dead external effect does
 * not block the next one.
 */
const IS_FIRST = `NOT EXISTS (SELECT 1 FROM effects AS earlier
	WHERE earlier.key = e.key AND earlier.seq < e.seq AND (earlier.is_dead = 0 OR earlier.kind NOT IN (${EXTERNAL_KINDS})))`;

/**
 * Takes the due effects, oldest first. Each is due again after `flightMs`, unless its outcome is
 * recorded before.
 */
export function takeEffects(
	core: Core,
	limit: number,
	flightMs: number,
	{ class: effectClass, project }: Queue = INTERNAL,
): PendingEffect[] {
	const now = core.now();
	// Usually no effect is due, and this query is much cheaper than the update.
	if ((nextEffectDue(core, effectClass) ?? Number.POSITIVE_INFINITY) > now) return [];
	return command(core, () =>
		core.sql.all<{ seq: number; payload: string; tries: number }>(
			`UPDATE effects SET due_at = ?1 WHERE seq IN
			(SELECT seq FROM effects AS e WHERE due_at <= ?2 AND is_dead = 0 AND ${ofClass(effectClass)} AND (?4 IS NULL OR payload ->> 'project' = ?4)
			AND ${IS_FIRST} ORDER BY due_at LIMIT ?3) RETURNING seq, payload, tries`,
			now + flightMs,
			now,
			limit,
			project,
		),
	)
		.sort((a, b) => a.seq - b.seq)
		.map(({ seq, payload, tries }) => ({ seq, tries, effect: JSON.parse(payload) as Effect }));
}

/** The outcome of an effect. */
export interface EffectOutcome {
	pending: PendingEffect;
	/** The location of the log, if it is known already. */
	archived: ArchivedLogNote | null;
	/** Null if the effect has happened. */
	error: string | null;
	/** Whether a repeat is useless: the server has rejected it. */
	isFinal?: boolean;
	/** How long to wait, if the server has said so. */
	retryAfterMs?: number | null;
}

/**
 * Records the outcomes of effects. A finished effect is deleted, and a run that waited only for it
 * may leave. A failed one is deferred. After thirty failures it is dead, which `/readyz` shows.
 */
export function recordOutcomes(core: Core, outcomes: readonly EffectOutcome[]): void {
	command(core, () => {
		const runIds = new Set<string>();
		for (const outcome of outcomes) {
			const { effect } = outcome.pending;
			if (outcome.error !== null) effectFailed(core, outcome.pending, outcome.error, outcome);
			else {
				effectDone(core, outcome.pending, outcome.archived);
				if ("runId" in effect) runIds.add(effect.runId);
			}
		}
		evictDone(core, [...runIds]);
	});
}

function effectDone(core: Core, { seq, effect }: PendingEffect, archived: ArchivedLogNote | null): void {
	// Earlier undelivered statuses of the commit are out of date now.
	const isNewest = effect.kind === "commit_status";
	if (isNewest) core.sql.all("DELETE FROM effects WHERE is_dead = 1 AND seq < ?1 AND key = (SELECT key FROM effects WHERE seq = ?1)", seq);
	core.sql.all("DELETE FROM effects WHERE seq = ?", seq);
	if (archived && effect.kind === "archive_log") recordArchived(core, effect.attemptId, archived);
}

function effectFailed(
	core: Core,
	{ seq, tries, effect }: PendingEffect,
	error: string,
	{ isFinal, retryAfterMs }: Partial<EffectOutcome>,
): void {
	const { tries: most, firstMs, mostMs } = PATIENCE[classOf(effect)];
	const pause = Math.max(Math.min(mostMs, firstMs * 2 ** tries), Math.min(MOST_ASKED_MS, retryAfterMs ?? 0));
	core.sql.all(
		"UPDATE effects SET tries = ?, due_at = ?, error = ?, is_dead = ? WHERE seq = ?",
		tries + 1,
		core.now() + pause,
		error.slice(0, 500),
		isFinal || tries + 1 >= most ? 1 : 0,
		seq,
	);
	if (retryAfterMs && effect.kind === "commit_status") deferStatuses(core, effect.project, core.now() + pause);
}

/** A forge that asks for a pause gets no other status of the same project meanwhile. */
function deferStatuses(core: Core, project: string, until: number): void {
	core.sql.all(
		"UPDATE effects SET due_at = ?1 WHERE kind = 'commit_status' AND is_dead = 0 AND due_at < ?1 AND payload ->> 'project' = ?2",
		until,
		project,
	);
}

/**
 * When the next effect is due; null if there is none. The given projects are excluded, because they
 * are being worked on.
 */
export function nextEffectDue(core: Core, effectClass: EffectClass, leftOut: readonly string[] = []): number | null {
	if (!core.hints.mayHaveEffects[effectClass]) return null;
	const [next] = core.sql.all<{ due: number | null }>(
		`SELECT min(due_at) AS due FROM effects AS e WHERE is_dead = 0 AND ${ofClass(effectClass)} AND ${IS_FIRST}
		${leftOut.length > 0 ? "AND payload ->> 'project' NOT IN (SELECT value FROM json_each(?))" : ""}`,
		...(leftOut.length > 0 ? [JSON.stringify(leftOut)] : []),
	);
	const due = next?.due ?? null;
	if (leftOut.length === 0) core.hints.mayHaveEffects[effectClass] = due !== null;
	return due;
}

/** The queues of a class with due effects. */
export function queuesDue(core: Core, effectClass: EffectClass): Queue[] {
	const now = core.now();
	if ((nextEffectDue(core, effectClass) ?? Number.POSITIVE_INFINITY) > now) return [];
	if (effectClass === "internal") return [INTERNAL];
	return core.sql
		.all<{ project: string }>(
			`SELECT DISTINCT payload ->> 'project' AS project FROM effects AS e WHERE due_at <= ? AND is_dead = 0 AND ${ofClass(effectClass)} AND ${IS_FIRST}`,
			now,
		)
		.map(({ project }) => ({ class: effectClass, project }));
}

/** Retries dead internal effects. */
export function retryEffects(core: Core): void {
	core.sql.all(`UPDATE effects AS e SET is_dead = 0, tries = 0, due_at = ? WHERE is_dead = 1 AND ${ofClass("internal")}`, core.now());
	core.hints.mayHaveEffects.internal = true;
}

/**
 * Sends the undelivered statuses of a project at once, also dead ones, after a setting was
 * corrected. Newer statuses replace older ones.
 */
export function retryStatuses(core: Core, project: string): void {
	command(core, () => {
		core.sql.all(
			`DELETE FROM effects AS e WHERE kind = 'commit_status' AND is_dead = 1 AND payload ->> 'project' = ?
			AND EXISTS (SELECT 1 FROM effects AS newer WHERE newer.key = e.key AND newer.seq > e.seq)`,
			project,
		);
		core.sql.all(
			`UPDATE effects SET is_dead = 0, tries = 0, due_at = ? WHERE kind = 'commit_status' AND payload ->> 'project' = ?
			AND (is_dead = 1 OR error IS NOT NULL)`,
			core.now(),
			project,
		);
		core.hints.mayHaveEffects.external = true;
	});
}

/** Deletes old external effects that failed for good. Call it inside a command. */
export function deleteUndelivered(core: Core, before: number): void {
	core.sql.all(`DELETE FROM effects AS e WHERE is_dead = 1 AND ${ofClass("external")} AND due_at < ?`, before);
}

/** How many internal effects are dead. */
export function deadEffects(core: Core): number {
	return core.sql.all<{ n: number }>(`SELECT count(*) AS n FROM effects AS e WHERE is_dead = 1 AND ${ofClass("internal")}`)[0]?.n ?? 0;
}

/** An undelivered status or notification. */
export interface Undelivered {
	effect: CommitStatusEffect | NotifyEffect;
	tries: number;
	/** The error of the last try; null before the first try. */
	error: string | null;
	/** Whether no further try follows. */
	isDead: boolean;
}

/** The undelivered statuses and notifications of a project, newest first. */
export function undeliveredOf(core: Core, project: string, limit: number): Undelivered[] {
	return core.sql
		.all<{ payload: string; tries: number; error: string | null; is_dead: number }>(
			`SELECT payload, tries, error, is_dead FROM effects AS e WHERE kind IN (${REPORTED_KINDS}) AND payload ->> 'project' = ? ORDER BY seq DESC LIMIT ?`,
			project,
			limit,
		)
		.map(({ payload, tries, error, is_dead }) => ({
			effect: JSON.parse(payload) as Undelivered["effect"],
			tries,
			error,
			isDead: is_dead === 1,
		}));
}
