import { objectKeys } from "../artifacts/service.ts";
import { indexKeyOf } from "../logs/service.ts";
import { deleteRunRows, objectsOfRun } from "./run_rows.ts";

/** R2 deletes up to a thousand objects in one call. */
const DELETED_AT_ONCE = 1_000;

/**
 * Deletes a run that has left the queue. Objects go before rows, so that the next retention sweep
 * finds what a crash left.
 * @returns the number of deleted logs and artifacts
 */
export async function deleteRunRecord(environment: { DB: D1Database; BUCKET: R2Bucket }, runId: string): Promise<number> {
	const { logs, artifacts } = await objectsOfRun(environment.DB, runId);
	const keys = [...logs, ...logs.map(indexKeyOf), ...artifacts.flatMap(objectKeys)];
	await deleteObjects(environment.BUCKET, keys);
	await deleteRunRows(environment.DB, runId);
	return logs.length + artifacts.length;
}

export async function deleteObjects(bucket: R2Bucket, keys: readonly string[]): Promise<void> {
	for (let at = 0; at < keys.length; at += DELETED_AT_ONCE) await bucket.delete(keys.slice(at, at + DELETED_AT_ONCE));
}
