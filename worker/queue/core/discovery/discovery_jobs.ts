import type { Reason } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { isOvertaken } from "../effects/newest_deliveries.ts";
import type { JobRow, RunRow } from "../rows.ts";
import { findRun } from "../rows.ts";
import { cancelJobsOf } from "../runs/cancel.ts";
import { definitionOf } from "../runs/definitions.ts";
import { CANCEL_BY } from "../runs/progress.ts";
import { acceptBrokenRun, acceptRun, type Submit } from "../runs/submit.ts";
import { adoptSchedules, type FileSchedule } from "./schedules.ts";

/**
 * What a discovery job has found. The runs are made in the very transaction that takes its result: a discovery job that was lost has made none, and one whose result
 * comes twice has made them once.
 */

/** What became of a file of the repository. */
export type DiscoveredFile = { file: string } & (
	| { submit: Submit; error: null }
	/** It cannot be run: what is wrong with it is said by a run that is over at once. */
	| { submit: Submit; error: Reason; state?: "errored" | "failed" }
	/** It does not want to. */
	| { because: string }
);

export interface Discovered {
	files: DiscoveredFile[];
	/** The times at which files want to be run; null where this commit says nothing of that. */
	schedules: FileSchedule[] | null;
	/** The pull request is at the same commit as before, and nothing is to be run anew: what waits for an approval goes on waiting. */
	keepsEarlier?: boolean;
}

/** Makes the runs that a discovery job has found. To be called inside the command that takes its result. */
export function handleDiscovered(core: Core, job: JobRow, { files, schedules, keepsEarlier = false }: Discovered): void {
	const run = findRun(core, job.run_id) as RunRow;
	const isOlder = !keepsEarlier && isOvertaken(core, run);
	const isSuperseded = isOlder && run.is_trusted === 0 && !definitionOf(core, job).discovery?.is_replay;
	if (run.pull_request !== null && !keepsEarlier) supersedeWaiting(core, run);
	const became = isSuperseded ? files.map(({ file }) => ({ file, because: `superseded: ${movedOn(run)}` })) : files;
	for (const one of became) {
		if ("because" in one) continue;
		if (one.error) acceptBrokenRun(core, one.submit, one.state ?? "errored", one.error);
		else acceptRun(core, one.submit);
	}
	if (schedules) adoptSchedules(core, run.project, run.trigger_delivery ?? "", schedules);
	const outputs = became.map((one) => [one.file, "because" in one ? `not run: ${one.because}` : one.submit.runId]);
	core.sql.all("UPDATE jobs SET outputs = ? WHERE id = ?", JSON.stringify(Object.fromEntries(outputs)), job.id);
}

/** A pull request has moved on, or is closed: what waits for an approval of what it was before needs none any more. */
function supersedeWaiting(core: Core, run: RunRow): void {
	const gated = core.sql.all<{ id: string }>(
		`SELECT id FROM runs WHERE project = ? AND pull_request = ? AND is_trusted = 0 AND approved_by IS NULL AND kind = 'pipeline'
		AND finished_at IS NULL AND trigger_delivery <= ? AND discovered_by IS NOT ? ORDER BY id`,
		run.project,
		run.pull_request,
		run.trigger_delivery,
		run.id,
	);
	const reason: Reason = { code: "superseded", text: `Superseded: ${movedOn(run)}.` };
	for (const { id } of gated) cancelJobsOf(core, id, CANCEL_BY.person, reason);
}

function movedOn({ pull_request }: RunRow): string {
	return `pull request ${pull_request} has moved on`;
}
