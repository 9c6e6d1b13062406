import type { Reason } from "../../../../schema/wire/states.ts";
import type { Core } from "../core.ts";
import { isOvertaken } from "../effects/newest_deliveries.ts";
import type { JobRow, RunRow } from "../rows.ts";
import { changeRow, findRun } from "../rows.ts";
import { cancelJobsOf } from "../runs/cancel.ts";
import { definitionOf } from "../runs/definitions.ts";
import { CANCEL_BY } from "../runs/progress.ts";
import { acceptBrokenRun, acceptRun, type Submit } from "../runs/submit.ts";
import { adoptSchedules, type FileSchedule } from "./schedules.ts";

/**
 * The result of a discovery job. Its runs are made in the transaction that accepts the result: a
 * lost discovery job has made none, and a repeated result makes none twice.
 */

/** The outcome for a file of the repository. */
export type DiscoveredFile = { file: string } & (
	| { submit: Submit; error: null }
	/** The file is invalid: a run that ends at once carries the error. */
	| { submit: Submit; error: Reason; state?: "errored" | "failed" }
	/** The file starts no run for this event. */
	| { because: string }
);

export interface Discovered {
	files: DiscoveredFile[];
	/** The schedules of the files; null if this commit does not change them. */
	schedules: FileSchedule[] | null;
	/** The pull request has no new commit: runs that wait for an approval go on waiting. */
	keepsEarlier?: boolean;
}

/**
 * Makes the runs that a discovery job has found. Call it inside the command that accepts its
 * result.
 */
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
	changeRow(core, "jobs", job.id, { outputs: JSON.stringify(Object.fromEntries(outputs)) });
}

/**
 * Cancels the earlier runs of a pull request that wait for an approval: the pull request has a new
 * commit, or is closed.
 */
function supersedeWaiting(core: Core, run: RunRow): void {
	const waiting = core.sql.all<{ id: string }>(
		`SELECT id FROM runs WHERE project = ? AND pull_request = ? AND is_trusted = 0 AND approved_by IS NULL AND kind = 'pipeline'
		AND finished_at IS NULL AND trigger_delivery <= ? AND discovered_by IS NOT ? ORDER BY id`,
		run.project,
		run.pull_request,
		run.trigger_delivery,
		run.id,
	);
	const reason: Reason = { code: "superseded", text: `Superseded: ${movedOn(run)}.` };
	for (const { id } of waiting) cancelJobsOf(core, id, CANCEL_BY.person, reason);
}

function movedOn({ pull_request }: RunRow): string {
	return `pull request ${pull_request} has moved on`;
}
