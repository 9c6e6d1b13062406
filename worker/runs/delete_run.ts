import { objectKeys } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { deleteLogs } from "../logs/service.ts";
import { deleteObjects } from "../platform/delete_objects.ts";
import { dispatcherOf } from "../platform/dispatcher.ts";
import { deleteRunRows, objectsOfRun, type StoredObjects } from "./run_rows.ts";

/**
 * Deletes runs that have left the queue. Objects go before rows, so that the next retention sweep
 * finds what a crash left. Together, because runs of the same time share the objects of their logs.
 */
export async function deleteRunRecords(environment: Environment, runs: readonly { id: string; team: string }[]): Promise<void> {
	const stored = await Promise.all(runs.map((run) => objectsOf(environment, run)));
	await deleteLogs(
		environment.BUCKET,
		stored.flatMap(({ logs }) => logs),
	);
	await deleteObjects(
		environment.BUCKET,
		stored.flatMap(({ artifacts }) => artifacts.flatMap(objectKeys)),
	);
	for (const { id } of runs) await deleteRunRows(environment.DB, id);
}

/** What R2 has of a run, once the queue holds none of its logs. */
async function objectsOf(environment: Environment, { id, team }: { id: string; team: string }): Promise<StoredObjects> {
	const stored = await objectsOfRun(environment.DB, id);
	if (stored.heldLogs.length === 0) return stored;
	await dispatcherOf(environment, team).dropHeldLogs(stored.heldLogs);
	// Some may have been packed just before.
	return objectsOfRun(environment.DB, id);
}
