import { type Core, command } from "../core.ts";
import { type ArchivedLogNote, logArchived } from "../leases/archived_logs.ts";
import { evictIfDone } from "../record/outbox.ts";
import type { CommitStatusEffect, Effect, NotifyEffect } from "./effect_types.ts";

/**
 * Effects are edges: something outside must happen because a state changed. They are written in the transaction of
 * the change and happen at least once, in order per key; a receiver must recognize a repeat.
 */

/** What happens here, and what somebody elsewhere must answer to: neither waits for the other, nor one project's forge and chats for another's. */
export type EffectClass = "internal" | "external";
/** Effects that are taken together: all internal ones, and the external ones of a project. */
export interface Queue {
	class: EffectClass;
	/** Null for internal effects. */
	project: string | null;
}
const INTERNAL: Queue = { class: "internal", project: null };
const EXTERNAL_KINDS = "'commit_status', 'notify'";
const ofClass = (effectClass: EffectClass) => `e.kind ${effectClass === "internal" ? "NOT IN" : "IN"} (${EXTERNAL_KINDS})`;

export interface PendingEffect {
	seq: number;
	tries: number;
	effect: Effect;
}

/** How often, and with which pauses. Somebody else's server may be away for a night. */
const PATIENCE: Record<EffectClass, { tries: number; firstMs: number; mostMs: number }> = {
	internal: { tries: 30, firstMs: 500, mostMs: 60_000 },
	external: { tries: 80, firstMs: 1_000, mostMs: 15 * 60_000 },
};

/** A server that asks for a longer pause is asked again after this. The limits of GitHub and GitLab are for an hour at most. */
const MOST_ASKED_MS = 65 * 60_000;

function classOf(effect: Effect): EffectClass {
	return effect.kind === "commit_status" || effect.kind === "notify" ? "external" : "internal";
}

export function addEffect(core: Core, key: string, effect: Effect): void {
	core.sql.all(
		"INSERT INTO effects (kind, key, payload, due_at) VALUES (?, ?, ?, ?)",
		effect.kind,
		key,
		JSON.stringify(effect),
		core.now(),
	);
}

/** Of each key only the first effect may happen, so that their order holds; but a dead external effect does not block the next one. */
const IS_FIRST = `NOT EXISTS (SELECT 1 FROM effects AS earlier
	WHERE earlier.key = e.key AND earlier.seq < e.seq AND (earlier.is_dead = 0 OR earlier.kind NOT IN (${EXTERNAL_KINDS})))`;

/**
 * Takes the effects that are due, oldest first. Each falls due again after `flightMs`, unless it is noted as done or failed before.
 */
export function takeEffects(
	core: Core,
	limit: number,
	flightMs: number,
	{ class: effectClass, project }: Queue = INTERNAL,
): PendingEffect[] {
	const now = core.now();
	// Most often there is none; looking is much cheaper than taking.
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

/** What became of an effect. */
export interface EffectOutcome {
	pending: PendingEffect;
	/** Where the log lies, if that is known already. */
	archived: ArchivedLogNote | null;
	/** Null if the effect has happened. */
	error: string | null;
	/** Whether trying again is of no use: somebody who can be asked has said no. */
	isFinal?: boolean;
	/** How long to wait, if the other side has said so. */
	retryAfterMs?: number | null;
}

/**
 * Notes what became of effects: one that has happened is done with, and a run that waited for it alone may leave; one that has not is
 * put off, and after thirty failures it is dead, which `/readyz` shows.
 */
export function recordOutcomes(core: Core, outcomes: readonly EffectOutcome[]): void {
	command(core, () => {
		for (const outcome of outcomes) {
			if (outcome.error === null) effectDone(core, outcome.pending, outcome.archived);
			else effectFailed(core, outcome.pending, outcome.error, outcome);
		}
	});
}

function effectDone(core: Core, { seq, effect }: PendingEffect, archived: ArchivedLogNote | null): void {
	// Earlier statuses of the commit that could not be sent are out of date now.
	const isNewest = effect.kind === "commit_status";
	if (isNewest) core.sql.all("DELETE FROM effects WHERE is_dead = 1 AND seq < ?1 AND key = (SELECT key FROM effects WHERE seq = ?1)", seq);
	core.sql.all("DELETE FROM effects WHERE seq = ?", seq);
	if (archived && effect.kind === "archive_log") logArchived(core, effect.attemptId, archived);
	if ("runId" in effect) evictIfDone(core, effect.runId);
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

/** A forge that asks for a pause is not asked for another status of the same project either. */
function deferStatuses(core: Core, project: string, until: number): void {
	core.sql.all(
		"UPDATE effects SET due_at = ?1 WHERE kind = 'commit_status' AND is_dead = 0 AND due_at < ?1 AND payload ->> 'project' = ?2",
		until,
		project,
	);
}

/** When the next effect falls due; null if there is none. Those of the projects that are left out are looked after already. */
export function nextEffectDue(core: Core, effectClass: EffectClass, leftOut: readonly string[] = []): number | null {
	const [next] = core.sql.all<{ due: number | null }>(
		`SELECT min(due_at) AS due FROM effects AS e WHERE is_dead = 0 AND ${ofClass(effectClass)} AND ${IS_FIRST}
		${leftOut.length > 0 ? "AND payload ->> 'project' NOT IN (SELECT value FROM json_each(?))" : ""}`,
		...(leftOut.length > 0 ? [JSON.stringify(leftOut)] : []),
	);
	return next?.due ?? null;
}

/** The queues of a class in which something is due. */
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

/** Tries once more what was given up of the coordinator's own. */
export function retryEffects(core: Core): void {
	core.sql.all(`UPDATE effects AS e SET is_dead = 0, tries = 0, due_at = ? WHERE is_dead = 1 AND ${ofClass("internal")}`, core.now());
}

/** Sends the undelivered statuses of a project at once, also those that were given up: a setting has been corrected. Newer ones replace older ones. */
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
	});
}

/** Deletes old external effects that failed for good. To be called inside a command. */
export function deleteUndelivered(core: Core, before: number): void {
	core.sql.all(`DELETE FROM effects AS e WHERE is_dead = 1 AND ${ofClass("external")} AND due_at < ?`, before);
}

/** How many of the coordinator's own were given up. */
export function deadEffects(core: Core): number {
	return core.sql.all<{ n: number }>(`SELECT count(*) AS n FROM effects AS e WHERE is_dead = 1 AND ${ofClass("internal")}`)[0]?.n ?? 0;
}

/** A status or notification that was not sent (yet). */
export interface Undelivered {
	effect: CommitStatusEffect | NotifyEffect;
	tries: number;
	/** What was the matter the last time; null before the first try. */
	error: string | null;
	/** Whether it was given up. */
	isDead: boolean;
}

/** The undelivered statuses and notifications of a project, newest first. */
export function undeliveredOf(core: Core, project: string, limit: number): Undelivered[] {
	return core.sql
		.all<{ payload: string; tries: number; error: string | null; is_dead: number }>(
			`SELECT payload, tries, error, is_dead FROM effects AS e WHERE ${ofClass("external")} AND payload ->> 'project' = ? ORDER BY seq DESC LIMIT ?`,
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
