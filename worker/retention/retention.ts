import { LEASE_TOKEN_MS } from "../../schema/wire/limits.ts";
import type { Swept } from "../../schema/wire/resources.ts";
import { deleteUploads, objectKeys, uploadsBefore } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { CACHE_PREFIX, knownObjects, objectIdIn, removeUnused } from "../caches/service.ts";
import { deleteExpiredTokens } from "../forge_apps/service.ts";
import { deleteSessionsBefore } from "../identity/sessions_store.ts";
import { deleteEndedRefreshTokens } from "../logins/service.ts";
import { deleteLogs } from "../logs/service.ts";
import { auditLogOf } from "../platform/audit_log.ts";
import { deleteObjects } from "../platform/delete_objects.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { teamOfPack } from "../platform/pack_key.ts";
import { readRetention } from "../platform/settings.ts";
import { listTeams } from "../platform/teams.ts";
import { type Holdings, NOTHING_HELD } from "../queue/core/reads.ts";
import { projectsWithRetention } from "../record/projects.ts";
import { deleteRunRecords } from "../runs/service.ts";
import { deleteUnusedTests } from "../test_results/service.ts";
import { deleteDeliveriesBefore } from "../webhooks/service.ts";
import {
	artifactsBefore,
	artifactsExpiredBefore,
	comparisonsEndedBefore,
	deleteSignInLinks,
	deleteSources,
	keysInUse,
	logsBefore,
	markArtifactsExpired,
	markLogsExpired,
	runsEndedBefore,
	unusedKeys,
	unusedPacks,
	unusedSources,
} from "./store.ts";
import { type RetentionPolicy, retentionPolicies } from "./terms.ts";

/**
 * Deletes expired data. Ended runs, logs and artifacts each have a retention time. Uploaded
 * sources stay while a run uses them, and for one more day. Files of attempts that never finished
 * are deleted, too.
 *
 * Data that the queue still holds stays, and does not delay the deletion of other data.
 */

/**
 * A statement of D1 takes at most a hundred parameters, and slices let other requests run in
 * between.
 */
const SLICE = 90;
const RUNS_AT_ONCE = 20;
const DAY_MS = 24 * 60 * 60_000;
/** A margin for clocks that differ. */
const MARGIN_MS = 60 * 60_000;

/** Deletes all expired data. @returns the counts of deleted items */
export async function applyRetention(environment: Environment, now: number): Promise<Swept> {
	const { DB: db, BUCKET: bucket } = environment;
	const keep = readRetention(environment);
	const projects = await projectsWithRetention(db);
	const expiredArtifacts: Pick<Deletion<Awaited<ReturnType<typeof artifactsBefore>>[number]>, "limit" | "heldBy" | "deleteRows"> = {
		limit: SLICE,
		heldBy: ["runs", ({ run_id }) => run_id],
		deleteRows: async (expired) => {
			await deleteObjects(bucket, expired.flatMap(objectKeys));
			await markArtifactsExpired(db, keysOf(expired));
			return expired.length;
		},
	};
	const runs: Omit<Deletion<{ id: string; team: string }>, "find"> = {
		limit: RUNS_AT_ONCE,
		heldBy: ["runs", ({ id }) => id],
		deleteRows: async (expired) => {
			await deleteRunRecords(environment, expired);
			return expired.length;
		},
	};
	// Deliveries store the results of comparisons; there may be hundreds of comparisons a day.
	const comparisons = await inSlices(environment, {
		...runs,
		find: (limit, held) => comparisonsEndedBefore(db, now - DAY_MS, limit, held),
	});
	const swept: Swept = {
		runs:
			comparisons +
			(await forEach(environment, retentionPolicies(projects, "keep_runs", keep.runsMs, now), {
				...runs,
				find: (policy) => (limit, held) => runsEndedBefore(db, policy, limit, held),
			})),
		logs: await forEach(environment, retentionPolicies(projects, "keep_logs", keep.logsMs, now), {
			limit: SLICE,
			find: (policy) => (limit, held) => logsBefore(db, policy, limit, held),
			heldBy: ["runs", ({ run_id }) => run_id],
			deleteRows: async (expired) => {
				await deleteLogs(bucket, expired);
				await markLogsExpired(db, idsOf(expired));
				return expired.length;
			},
		}),
		artifacts: await forEach(environment, retentionPolicies(projects, "keep_artifacts", keep.artifactsMs, now), {
			...expiredArtifacts,
			find: (policy) => (limit, held) => artifactsBefore(db, policy, limit, held),
		}),
		sources: await inSlices(environment, {
			limit: SLICE,
			find: (limit, held) => unusedSources(db, now - DAY_MS, limit, held),
			heldBy: ["sources", ({ id }) => id],
			deleteRows: async (unused) => {
				const keys = await deleteSources(db, idsOf(unused), now - DAY_MS);
				await deleteObjects(bucket, keys);
				return keys.length;
			},
		}),
		caches: await removeUnused(environment, now),
		orphans: await inSlices(environment, {
			limit: SLICE,
			find: (limit, held) => uploadsBefore(db, now - LEASE_TOKEN_MS - MARGIN_MS, limit, held),
			heldBy: ["attempts", ({ attempt_id }) => attempt_id],
			deleteRows: async (settled) => {
				const inUse = await keysInUse(db, [...new Set(settled.map(({ artifact_key }) => artifact_key))]);
				const orphans = settled.filter(({ artifact_key }) => !inUse.has(artifact_key));
				await deleteObjects(bucket, keysOf(orphans));
				await deleteUploads(db, keysOf(settled));
				return orphans.length;
			},
		}),
	};
	// Artifacts whose job sets a shorter time.
	swept.artifacts += await inSlices(environment, {
		...expiredArtifacts,
		find: (limit, held) => artifactsExpiredBefore(db, now, limit, held),
	});
	// Logs that were archived after their run was deleted, and interrupted uploads of sources.
	swept.orphans += await deleteOrphans(bucket, "logs/unknown/", now - keep.logsMs, async (keys) => keys);
	swept.orphans += await deleteOrphans(bucket, "sources/", now - DAY_MS, (keys) => unusedKeys(db, keys));
	// Packs whose writing was interrupted, and packs of logs that were deleted at the same time.
	swept.orphans += await deleteOrphans(bucket, "packs/", now - DAY_MS, (keys) => unnamedPacks(environment, keys));
	// Parts of interrupted saves, and of contents that another cache has already.
	swept.orphans += await deleteOrphans(bucket, CACHE_PREFIX, now - DAY_MS, (keys) => unnamedParts(environment, keys));
	await deleteSignInLinks(db, now);
	await deleteExpiredTokens(db, now);
	await deleteSessionsBefore(db, now);
	await deleteEndedRefreshTokens(db, now);
	// Deliveries stay as long as the runs that they start.
	await deleteDeliveriesBefore(db, now - keep.runsMs);
	await deleteUnusedTests(db);
	for (const team of await listTeams(db)) await auditLogOf(environment, team).expire(now - keep.auditMs);
	return swept;
}

/** The parts of contents that no cache names. */
async function unnamedParts({ DB }: Environment, keys: readonly string[]): Promise<string[]> {
	const known = await knownObjects(DB, [...new Set(keys.map(objectIdIn))]);
	return keys.filter((key) => !known.has(objectIdIn(key)));
}

/** How one kind of data is found and deleted. */
interface Deletion<Row> {
	limit: number;
	/** The next expired rows, without those that the queue holds. */
	find(limit: number, held: readonly string[]): Promise<Row[]>;
	/** The id in a row that the queue may hold. */
	heldBy: [kind: keyof Holdings, idOf: (row: Row) => string];
	/** @returns the number of deleted items */
	deleteRows(rows: readonly Row[]): Promise<number>;
}

/** Deletes expired rows for each of the policies. */
async function forEach<Row extends { team: string }>(
	environment: Environment,
	policies: readonly RetentionPolicy[],
	{ find, ...deletion }: Omit<Deletion<Row>, "find"> & { find(policy: RetentionPolicy): Deletion<Row>["find"] },
): Promise<number> {
	let total = 0;
	for (const policy of policies) total += await inSlices(environment, { ...deletion, find: find(policy) });
	return total;
}

async function inSlices<Row extends { team: string }>(
	environment: Environment,
	{ limit, find, heldBy, deleteRows }: Deletion<Row>,
): Promise<number> {
	const [kind, idOf] = heldBy;
	const held = new Set<string>();
	for (let total = 0; ; ) {
		const found = await find(limit, [...held]);
		if (found.length === 0) return total;
		for (const id of await heldAmong(environment, found, kind, idOf)) held.add(id);
		const expired = found.filter((row) => !held.has(idOf(row)));
		if (expired.length > 0) total += await deleteRows(expired);
	}
}

/** The ids of these rows that the queue holds, team by team. */
async function heldAmong<Row extends { team: string }>(
	environment: Environment,
	rows: readonly Row[],
	kind: keyof Holdings,
	idOf: (row: Row) => string,
): Promise<string[]> {
	const held: string[] = [];
	for (const team of new Set(rows.map((row) => row.team))) {
		const ids = [...new Set(rows.filter((row) => row.team === team).map(idOf))];
		const queried: Holdings = { ...NOTHING_HELD, [kind]: ids };
		held.push(...(await dispatcherOf(environment, team).held(queried))[kind]);
	}
	return held;
}

/**
 * Deletes old objects that no row names.
 * @param unnamed returns those of the keys that no row names
 */
async function deleteOrphans(
	bucket: R2Bucket,
	prefix: string,
	before: number,
	unnamed: (keys: string[]) => Promise<string[]>,
): Promise<number> {
	let deleted = 0;
	for (let cursor: string | undefined; ; ) {
		const listed = await bucket.list({ prefix, limit: 500, ...(cursor === undefined ? {} : { cursor }) });
		const old = listed.objects.filter(({ uploaded }) => uploaded.getTime() < before).map(({ key }) => key);
		const orphans = old.length === 0 ? [] : await unnamed(old);
		await deleteObjects(bucket, orphans);
		deleted += orphans.length;
		if (!listed.truncated) return deleted;
		cursor = listed.cursor;
	}
}

/** Those of these packs of logs that neither the record nor the queue names. */
async function unnamedPacks(environment: Environment, keys: readonly string[]): Promise<string[]> {
	const unused = (await unusedPacks(environment.DB, keys)).map((key) => ({ key, team: teamOfPack(key) }));
	const held = new Set(await heldAmong(environment, unused, "packs", ({ key }) => key));
	return keysOf(unused).filter((key) => !held.has(key));
}

function idsOf(rows: readonly { id: string }[]): string[] {
	return rows.map(({ id }) => id);
}

function keysOf(rows: readonly { key: string }[]): string[] {
	return rows.map(({ key }) => key);
}
