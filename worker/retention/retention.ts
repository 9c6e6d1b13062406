import type { Swept } from "../../schema/wire/resources.ts";
import { objectKeys } from "../artifacts/objects.ts";
import { PART_TOKEN_MS } from "../artifacts/uploads.ts";
import {
	artifactsBefore,
	keysInUse,
	logsBefore,
	markArtifactsExpired,
	markLogsExpired,
	removeSignInLinks,
	removeSources,
	runsEndedBefore,
	unusedSources,
} from "../catalog/expired.ts";
import { forgetUploads, uploadsBefore } from "../catalog/uploads.ts";
import { dispatcherOf } from "../dispatch/stub.ts";
import type { Environment } from "../environment.ts";
import { indexKeyOf } from "../logs/line_counter.ts";
import { readRetention } from "../settings.ts";
import { deleteObjects, removeRun } from "./remove_run.ts";

/**
 * What is over is kept for a time: runs, their logs, their artifacts, each for its own; uploaded sources for as long as a run
 * is made from them, and a day. What was never part of anything goes, too: files whose attempt never finished.
 */

/** One statement of D1 takes a hundred parameters, and each pass is a slice: others come in between. */
const SLICE = 90;
const RUNS_AT_ONCE = 20;
const SOURCE_MS = 24 * 60 * 60_000;
/** Clocks of workers differ. */
const MARGIN_MS = 60 * 60_000;

/** What one slice came to: rows that it looked at for the last time, and what it removed. */
interface Slice {
	isLast: boolean;
	removed: number;
}

/** Removes everything whose time is over. */
export async function applyRetention(environment: Environment, now: number): Promise<Swept> {
	const keep = readRetention(environment);
	const removed: Swept = {
		runs: await inSlices(() => removeRuns(environment, now - keep.runsMs)),
		logs: await inSlices(() => removeLogs(environment, now - keep.logsMs)),
		artifacts: await inSlices(() => removeArtifacts(environment, now - keep.artifactsMs)),
		sources: await inSlices(() => removeUnusedSources(environment, now - SOURCE_MS)),
		orphans: await inSlices(() => removeOrphans(environment, now - PART_TOKEN_MS - MARGIN_MS)),
	};
	removed.orphans += await removeStrayLogs(environment.BUCKET, now - keep.logsMs);
	await removeSignInLinks(environment.DB, now);
	return removed;
}

async function inSlices(slice: () => Promise<Slice>): Promise<number> {
	for (let total = 0; ; ) {
		const { isLast, removed } = await slice();
		total += removed;
		if (isLast) return total;
	}
}

type Held = { runs: string[]; sources: string[]; attempts: string[] };

/** What of these the queue still holds, team by team; it is not to be touched. */
async function heldOf<Row extends { team: string }>(
	environment: Environment,
	rows: readonly Row[],
	kind: keyof Held,
	idOf: (row: Row) => string,
): Promise<Set<string>> {
	const held = new Set<string>();
	for (const team of new Set(rows.map((row) => row.team))) {
		const ids = [...new Set(rows.filter((row) => row.team === team).map(idOf))];
		const asked: Held = { runs: [], sources: [], attempts: [], [kind]: ids };
		for (const id of (await dispatcherOf(environment, team).held(asked))[kind]) held.add(id);
	}
	return held;
}

/** A slice that the queue holds back in part ends the pass: the rest comes with the next. */
function sliceOf(found: number, free: number, limit: number): Slice {
	return { isLast: found < limit || free < found, removed: free };
}

async function removeRuns(environment: Environment, before: number): Promise<Slice> {
	const found = await runsEndedBefore(environment.DB, before, RUNS_AT_ONCE);
	const held = await heldOf(environment, found, "runs", ({ id }) => id);
	const over = found.filter(({ id }) => !held.has(id));
	for (const { id } of over) await removeRun(environment, id);
	return sliceOf(found.length, over.length, RUNS_AT_ONCE);
}

async function removeLogs(environment: Environment, before: number): Promise<Slice> {
	const found = await logsBefore(environment.DB, before, SLICE);
	const held = await heldOf(environment, found, "runs", (row) => row.run_id);
	const over = found.filter((row) => !held.has(row.run_id));
	await deleteObjects(
		environment.BUCKET,
		over.flatMap(({ key }) => [key, indexKeyOf(key)]),
	);
	await markLogsExpired(
		environment.DB,
		over.map(({ id }) => id),
	);
	return sliceOf(found.length, over.length, SLICE);
}

async function removeArtifacts(environment: Environment, before: number): Promise<Slice> {
	const found = await artifactsBefore(environment.DB, before, SLICE);
	const held = await heldOf(environment, found, "runs", (row) => row.run_id);
	const over = found.filter((row) => !held.has(row.run_id));
	await deleteObjects(environment.BUCKET, over.flatMap(objectKeys));
	await markArtifactsExpired(
		environment.DB,
		over.map(({ key }) => key),
	);
	return sliceOf(found.length, over.length, SLICE);
}

async function removeUnusedSources(environment: Environment, before: number): Promise<Slice> {
	const found = await unusedSources(environment.DB, before, SLICE);
	const held = await heldOf(environment, found, "sources", ({ id }) => id);
	const gone = found.filter(({ id }) => !held.has(id));
	const keys = await removeSources(
		environment.DB,
		gone.map(({ id }) => id),
		before,
	);
	await deleteObjects(environment.BUCKET, keys);
	return { ...sliceOf(found.length, gone.length, SLICE), removed: keys.length };
}

/** Files that were planned, may not be put any more, and were named by no finish. */
async function removeOrphans(environment: Environment, before: number): Promise<Slice> {
	const found = await uploadsBefore(environment.DB, before, SLICE);
	const held = await heldOf(environment, found, "attempts", (row) => row.attempt_id);
	const settled = found.filter((row) => !held.has(row.attempt_id));
	const inUse = await keysInUse(environment.DB, [...new Set(settled.map(({ artifact_key }) => artifact_key))]);
	const orphans = settled.filter(({ artifact_key }) => !inUse.has(artifact_key));
	await deleteObjects(
		environment.BUCKET,
		orphans.map(({ key }) => key),
	);
	await forgetUploads(
		environment.DB,
		settled.map(({ key }) => key),
	);
	return { ...sliceOf(found.length, settled.length, SLICE), removed: orphans.length };
}

/** Logs that were archived when nobody knew any more whose they were. */
async function removeStrayLogs(bucket: R2Bucket, before: number): Promise<number> {
	const { objects } = await bucket.list({ prefix: "logs/unknown/", limit: 1_000 });
	const old = objects.filter(({ uploaded }) => uploaded.getTime() < before).map(({ key }) => key);
	await deleteObjects(bucket, old);
	return old.length;
}
