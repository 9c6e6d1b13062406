import { and, between, eq, inArray, isNull, notExists, or, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import {
	type ArtifactRow,
	artifacts,
	attempts,
	definitions,
	failedLogs,
	jobs,
	runs,
	testResults,
	transitions,
} from "../../schema/database/tables.ts";
import type { StoredLog } from "../logs/service.ts";

/** Where the objects of a file are. */
export type StoredArtifact = Pick<ArtifactRow, "key" | "size" | "part_bytes">;

/** What is stored of a run outside of the record. */
export interface StoredObjects {
	logs: StoredLog[];
	/** The attempts whose logs the queue holds. */
	heldLogs: string[];
	artifacts: StoredArtifact[];
}

/** The logs and artifacts of a run. */
export async function objectsOfRun(db: D1Database, runId: string): Promise<StoredObjects> {
	const d1 = drizzle(db);
	const [logRows, artifactRows] = await d1.batch([
		d1
			.select({ id: attempts.id, key: attempts.log_key, offset: attempts.log_offset, bytes: attempts.log_bytes, held: attempts.log_held })
			.from(attempts)
			.where(eq(attempts.run_id, runId)),
		d1
			.select({ key: artifacts.key, size: artifacts.size, part_bytes: artifacts.part_bytes })
			.from(artifacts)
			.where(and(eq(artifacts.run_id, runId), isNull(artifacts.expired_at))),
	]);
	return {
		logs: logRows.flatMap(({ key, offset, bytes }) => (key === null ? [] : { key, offset, bytes })),
		heldLogs: logRows.flatMap(({ id, held }) => (held === 1 ? id : [])),
		artifacts: artifactRows,
	};
}

/**
 * Deletes every row of a run in one transaction, and its definitions unless another run uses them: a
 * run that has got more jobs has had others before.
 */
export async function deleteRunRows(db: D1Database, runId: string): Promise<void> {
	const d1 = drizzle(db);
	const [run] = await d1
		.select({ definition: runs.definition, first: sql<string | null>`${definitions.json} ->> 'replaces'` })
		.from(runs)
		.leftJoin(definitions, eq(definitions.digest, runs.definition))
		.where(eq(runs.id, runId));
	await d1.batch([
		d1.delete(failedLogs).where(eq(failedLogs.run_id, runId)),
		d1.delete(testResults).where(eq(testResults.run_id, runId)),
		d1.delete(transitions).where(eq(transitions.run_id, runId)),
		d1.delete(artifacts).where(eq(artifacts.run_id, runId)),
		d1.delete(attempts).where(eq(attempts.run_id, runId)),
		d1.delete(jobs).where(eq(jobs.run_id, runId)),
		d1.delete(runs).where(eq(runs.id, runId)),
		d1
			.delete(definitions)
			.where(
				and(
					or(
						inArray(definitions.digest, [run?.definition ?? "", run?.first ?? ""]),
						between(definitions.digest, `${runId}:`, `${runId}:~`),
					),
					notExists(d1.select({ one: sql`1` }).from(runs).where(eq(runs.definition, definitions.digest))),
				),
			),
	]);
}
