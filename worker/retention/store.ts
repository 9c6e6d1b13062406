import { type AnyColumn, and, asc, eq, exists, inArray, isNotNull, isNull, lt, notExists, type SQL, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { encodeTime } from "ulid";
import { artifacts, attempts, failedLogs, runs, signInLinks, sources } from "../../schema/database/tables.ts";
import { ID_PREFIXES } from "../../schema/wire/ids.ts";
import type { StoredLog } from "../logs/service.ts";
import { notAmong } from "../record/not_among.ts";
import type { StoredArtifact } from "../runs/service.ts";
import type { RetentionPolicy } from "./terms.ts";

/** The condition on a run that a policy covers. */
function isCovered(policy: RetentionPolicy): SQL | undefined {
	if (policy.of) {
		// A run that has ended by then began before, so the index of the runs of the project applies.
		const began = lt(runs.id, `${ID_PREFIXES.run}_${encodeTime(Math.max(0, policy.before), 10)}`);
		return and(eq(runs.team, policy.of.team), eq(runs.project, policy.of.project), began);
	}
	if (policy.except.length === 0) return undefined;
	return sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(policy.except)}) AS p WHERE p.value ->> 'team' = ${runs.team} AND p.value ->> 'project' = ${runs.project})`;
}

/** The condition on a row that belongs to a covered run. */
function isOfCoveredRun(db: D1Database, runId: AnyColumn, policy: RetentionPolicy): SQL | undefined {
	const meant = isCovered(policy);
	return (
		meant &&
		exists(
			drizzle(db)
				.select({ one: sql`1` })
				.from(runs)
				.where(and(eq(runs.id, runId), meant)),
		)
	);
}

/** Runs that ended before this time, oldest first. */
export async function runsEndedBefore(
	db: D1Database,
	policy: RetentionPolicy,
	limit: number,
	held: readonly string[],
): Promise<{ id: string; team: string }[]> {
	return drizzle(db)
		.select({ id: runs.id, team: runs.team })
		.from(runs)
		.where(and(lt(runs.finished_at, policy.before), isCovered(policy), notAmong(runs.id, held)))
		.orderBy(asc(runs.finished_at))
		.limit(limit);
}

/** Comparisons of refs that ended before this time, oldest first. */
export async function comparisonsEndedBefore(
	db: D1Database,
	before: number,
	limit: number,
	held: readonly string[],
): Promise<{ id: string; team: string }[]> {
	return drizzle(db)
		.select({ id: runs.id, team: runs.team })
		.from(runs)
		.where(and(sql`${runs.kind} = 'comparison'`, lt(runs.finished_at, before), notAmong(runs.id, held)))
		.orderBy(asc(runs.finished_at))
		.limit(limit);
}

/** Attempts that ended before this time and still have a log. */
export async function logsBefore(
	db: D1Database,
	policy: RetentionPolicy,
	limit: number,
	held: readonly string[],
): Promise<({ id: string; run_id: string; team: string } & StoredLog)[]> {
	const { id, run_id, team, log_key: key, log_offset: offset, log_bytes: bytes } = attempts;
	const rows = await drizzle(db)
		.select({ id, run_id, team, key, offset, bytes })
		.from(attempts)
		.where(
			and(
				isNotNull(attempts.log_key),
				lt(attempts.finished_at, policy.before),
				isOfCoveredRun(db, attempts.run_id, policy),
				notAmong(attempts.run_id, held),
			),
		)
		.limit(limit);
	return rows.map((row) => ({ ...row, key: row.key as string }));
}

export async function markLogsExpired(db: D1Database, ids: readonly string[]): Promise<void> {
	if (ids.length === 0) return;
	const d1 = drizzle(db);
	const isOfLogs = inArray(attempts.id, [...ids]);
	await d1.batch([
		d1.update(attempts).set({ log_key: null, log_expired_at: Date.now() }).where(isOfLogs),
		// The search must not find what has been deleted.
		d1.delete(failedLogs).where(inArray(failedLogs.job_id, d1.select({ id: attempts.job_id }).from(attempts).where(isOfLogs))),
	]);
}

/** Artifacts that were saved before this time and still exist. */
export async function artifactsBefore(
	db: D1Database,
	policy: RetentionPolicy,
	limit: number,
	held: readonly string[],
): Promise<(StoredArtifact & { run_id: string; team: string })[]> {
	const { run_id, team, key, size, part_bytes } = artifacts;
	return drizzle(db)
		.select({ run_id, team, key, size, part_bytes })
		.from(artifacts)
		.where(
			and(
				isNull(artifacts.expired_at),
				lt(artifacts.created_at, policy.before),
				isOfCoveredRun(db, artifacts.run_id, policy),
				notAmong(artifacts.run_id, held),
			),
		)
		.limit(limit);
}

/** Existing artifacts whose job set an expiry before this time. */
export async function artifactsExpiredBefore(
	db: D1Database,
	before: number,
	limit: number,
	held: readonly string[],
): Promise<(StoredArtifact & { run_id: string; team: string })[]> {
	const { run_id, team, key, size, part_bytes } = artifacts;
	return drizzle(db)
		.select({ run_id, team, key, size, part_bytes })
		.from(artifacts)
		.where(
			and(
				isNull(artifacts.expired_at),
				isNotNull(artifacts.expires_at),
				lt(artifacts.expires_at, before),
				notAmong(artifacts.run_id, held),
			),
		)
		.limit(limit);
}

export async function markArtifactsExpired(db: D1Database, keys: readonly string[]): Promise<void> {
	if (keys.length === 0) return;
	await drizzle(db)
		.update(artifacts)
		.set({ expired_at: Date.now() })
		.where(inArray(artifacts.key, [...keys]));
}

/** The keys that an artifact uses. */
export async function keysInUse(db: D1Database, keys: readonly string[]): Promise<Set<string>> {
	if (keys.length === 0) return new Set();
	const rows = await drizzle(db)
		.select({ key: artifacts.key })
		.from(artifacts)
		.where(inArray(artifacts.key, [...keys]));
	return new Set(rows.map(({ key }) => key));
}

/** Uploaded sources unused since this time that no stored run needs. */
export async function unusedSources(
	db: D1Database,
	before: number,
	limit: number,
	held: readonly string[],
): Promise<{ id: string; team: string }[]> {
	const d1 = drizzle(db);
	return d1
		.select({ id: sources.id, team: sources.team })
		.from(sources)
		.where(
			and(
				lt(sources.used_at, before),
				notAmong(sources.id, held),
				notExists(d1.select({ one: sql`1` }).from(runs).where(eq(runs.source_upload, sources.id))),
			),
		)
		.limit(limit);
}

/** The keys that no source uses. */
export async function unusedKeys(db: D1Database, keys: readonly string[]): Promise<string[]> {
	const { results } = await db
		.prepare("SELECT value AS key FROM json_each(?) WHERE value NOT IN (SELECT key FROM sources)")
		.bind(JSON.stringify(keys))
		.all<{ key: string }>();
	return results.map(({ key }) => key);
}

/** Those of these packs of logs that no attempt names. */
export async function unusedPacks(db: D1Database, keys: readonly string[]): Promise<string[]> {
	const { results } = await db
		.prepare(
			`SELECT value AS key FROM json_each(?) AS pack
			WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE log_key = pack.value AND log_offset IS NOT NULL)`,
		)
		.bind(JSON.stringify(keys))
		.all<{ key: string }>();
	return results.map(({ key }) => key);
}

/** Deletes the sources that are still unused. @returns their keys */
export async function deleteSources(db: D1Database, ids: readonly string[], before: number): Promise<string[]> {
	if (ids.length === 0) return [];
	const deleted = await drizzle(db)
		.delete(sources)
		.where(and(inArray(sources.id, [...ids]), lt(sources.used_at, before)))
		.returning({ key: sources.key });
	return deleted.map(({ key }) => key);
}

export async function deleteSignInLinks(db: D1Database, before: number): Promise<void> {
	await drizzle(db).delete(signInLinks).where(lt(signInLinks.expires_at, before));
}
