import { and, asc, desc, eq, gt, lt, or } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { type DeliveryRow, deliveries } from "../../schema/database/tables.ts";
import type { DeliveryOutcome } from "../../schema/wire/deliveries.ts";
import { newId } from "../../schema/wire/ids.ts";
import type { DeliveredOf } from "./delivery_notices.ts";

/** Stored deliveries. */

export type NewDelivery = Omit<DeliveryRow, "id" | "received_at" | "run_id">;

/**
 * Stores a delivery. A repeat has the same id, or the same body where the signature covers the
 * body alone. A repeat of an ignored or rejected delivery replaces it, as a setting may have been
 * corrected since.
 * @returns the row, and whether the delivery is a repeat
 */
export async function recordDelivery(db: D1Database, delivery: NewDelivery): Promise<{ row: DeliveryRow; isRepeat: boolean }> {
	const d1 = drizzle(db);
	const [added] = await d1
		.insert(deliveries)
		.values({ ...delivery, id: newId("delivery"), run_id: null, received_at: Date.now() })
		.onConflictDoNothing()
		.returning();
	if (added) return { row: added, isRepeat: false };
	const [known, ...others] = await sameDeliveries(db, delivery);
	if (!known) throw new Error("a delivery was deleted while its repeat was stored");
	if (known.outcome !== "ignored" && known.outcome !== "rejected") return { row: known, isRepeat: true };
	const { outcome, reason, trigger, repository, event } = delivery;
	// Another row may already have this identity.
	const identity = others.length > 0 ? {} : { forge: delivery.forge, delivery: delivery.delivery, body_digest: delivery.body_digest };
	const [updated] = await d1
		.update(deliveries)
		.set({ outcome, reason, trigger, repository, event, ...identity, received_at: Date.now() })
		.where(and(eq(deliveries.id, known.id), eq(deliveries.outcome, known.outcome)))
		.returning();
	return { row: updated ?? (await sameDeliveries(db, delivery))[0] ?? known, isRepeat: true };
}

/** The rows of this delivery, by id and by body; the accepted row comes first. */
async function sameDeliveries(db: D1Database, { team, project, forge, delivery, body_digest }: NewDelivery): Promise<DeliveryRow[]> {
	const byName = and(eq(deliveries.forge, forge), eq(deliveries.delivery, delivery));
	const rows = await drizzle(db)
		.select()
		.from(deliveries)
		.where(
			and(
				eq(deliveries.team, team),
				eq(deliveries.project, project),
				body_digest === null ? byName : or(byName, eq(deliveries.body_digest, body_digest)),
			),
		);
	const isTaken = ({ outcome }: DeliveryRow) => outcome === "accepted" || outcome === "received";
	return rows.sort((a, b) => Number(isTaken(b)) - Number(isTaken(a)));
}

/** Stores the outcome of a delivery. */
export async function recordOutcome(
	db: D1Database,
	id: string,
	{ outcome, reason, runId }: { outcome: DeliveryOutcome; reason: string; runId: string | null },
): Promise<void> {
	await drizzle(db).update(deliveries).set({ outcome, reason, run_id: runId }).where(eq(deliveries.id, id));
}

/** Deliveries received after `since` that have no outcome yet, oldest first. */
export async function unhandledDeliveries(db: D1Database, since: number, limit: number): Promise<DeliveryRow[]> {
	return drizzle(db)
		.select()
		.from(deliveries)
		.where(and(gt(deliveries.received_at, since), eq(deliveries.outcome, "received")))
		.orderBy(asc(deliveries.id))
		.limit(limit);
}

export async function findDelivery(db: D1Database, team: string, id: string): Promise<DeliveryRow | null> {
	const [row] = await drizzle(db)
		.select()
		.from(deliveries)
		.where(and(eq(deliveries.id, id), eq(deliveries.team, team)));
	return row ?? null;
}

/** Deliveries to a project, newest first. */
export async function listDeliveries(
	db: D1Database,
	team: string,
	{ project, limit, after }: { project: string; limit: number; after: string | null },
): Promise<DeliveryRow[]> {
	return drizzle(db)
		.select()
		.from(deliveries)
		.where(and(eq(deliveries.team, team), eq(deliveries.project, project), after === null ? undefined : lt(deliveries.id, after)))
		.orderBy(desc(deliveries.id))
		.limit(limit);
}

/**
 * The newest deliveries of forges, newest first. A delivery with a wrong signature has no
 * repository.
 */
export async function newestDeliveries(db: D1Database, team: string, project: string, limit: number): Promise<DeliveredOf[]> {
	const { results } = await db
		.prepare(
			`SELECT repository, received_at, trigger ->> '$.kind' AS kind, trigger ->> '$.branch' AS branch, trigger ->> '$.sha' AS sha,
			trigger ->> '$.pull_request.number' AS number, trigger ->> '$.pull_request.event' AS event,
			trigger ->> '$.pull_request.is_from_fork' AS is_from_fork
			FROM deliveries WHERE team = ? AND project = ? AND forge <> 'comparison' ORDER BY id DESC LIMIT ?`,
		)
		.bind(team, project, limit)
		.all<DeliveredOf>();
	return results;
}

/** Whether a newer delivery of the same ref has its own discovery run. */
export async function isOutdated(
	db: D1Database,
	{ team, project, id, ref, run_id }: Pick<DeliveryRow, "team" | "project" | "id" | "run_id"> & { ref: string },
): Promise<boolean> {
	const newer = await db
		.prepare("SELECT 1 FROM deliveries WHERE team = ? AND project = ? AND id > ? AND run_id <> ? AND trigger ->> '$.ref' = ? LIMIT 1")
		.bind(team, project, id, run_id, ref)
		.first();
	return newer !== null;
}

/** Deletes the deliveries received before this time. */
export async function deleteDeliveriesBefore(db: D1Database, before: number): Promise<void> {
	await drizzle(db).delete(deliveries).where(lt(deliveries.received_at, before));
}
