import type { Reason } from "../../../schema/wire/states.ts";
import type { Core } from "./core.ts";
import type { JobRow, RunRow } from "./rows.ts";
import { findRun } from "./rows.ts";
import { adoptSchedules, type FileSchedule } from "./schedules.ts";
import { acceptBrokenRun, acceptRun, type Submit } from "./submit.ts";

/**
 * What a plan has found. The runs are made in the very transaction that takes its result: a plan that was lost has made none, and one whose result
 * comes twice has made them once.
 */

/** What became of a file of the repository. */
export type PlannedFile = { file: string } & (
	| { submit: Submit; fault: null }
	/** It cannot be run: what is wrong with it is said by a run that is over at once. */
	| { submit: Submit; fault: Reason }
	/** It does not want to. */
	| { because: string }
);

export interface Planned {
	files: PlannedFile[];
	/** The times at which files want to be run; null where this commit says nothing of that. */
	schedules: FileSchedule[] | null;
}

/** Makes the runs that a plan has found. To be called inside the command that takes its result. */
export function carryOut(core: Core, job: JobRow, { files, schedules }: Planned): void {
	for (const one of files) {
		if ("because" in one) continue;
		if (one.fault) acceptBrokenRun(core, one.submit, one.fault);
		else acceptRun(core, one.submit);
	}
	const { project } = findRun(core, job.run_id) as RunRow;
	if (schedules) adoptSchedules(core, project, schedules);
	const outputs = files.map((one) => [one.file, "because" in one ? `not run: ${one.because}` : one.submit.runId]);
	core.sql.all("UPDATE jobs SET outputs = ? WHERE id = ?", JSON.stringify(Object.fromEntries(outputs)), job.id);
}
