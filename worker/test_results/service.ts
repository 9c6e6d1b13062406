export { projectTests } from "./project_tests.ts";
export { testsOfRun, totalsOfRun } from "./run_tests.ts";
export { deleteUnusedTests } from "./store.ts";

import { MAX_SUMMARY_BYTES } from "../../schema/wire/limits.ts";
import { ownArtifactPath } from "../../schema/wire/paths.ts";
import { readArtifact } from "../artifacts/service.ts";
import type { Environment } from "../bindings.ts";
import { findArtifact } from "../record/runs.ts";

/** The summary of an attempt; null if it is missing or has been deleted. */
export async function readSummary(environment: Environment, team: string, attemptId: string): Promise<string | null> {
	const row = await findArtifact(environment, team, attemptId, ownArtifactPath("summary"));
	if (!row || row.expired_at !== null || row.size > MAX_SUMMARY_BYTES) return null;
	const body = await readArtifact(environment.BUCKET, row, 0, row.size);
	return body && new Response(body).text();
}
