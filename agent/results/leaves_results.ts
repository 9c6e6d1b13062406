import { lstatSync } from "node:fs";
import type { Assignment } from "../../schema/wire/protocol.ts";

/** The patterns of all files that the job saves. */
export function savedPatterns({ artifacts: { save, entries } }: Pick<Assignment, "artifacts">): string[] {
	return [...entries.flatMap(({ paths }) => paths), ...save];
}

/**
 * Whether there may be results: most jobs have no report and no artifact, and write no output. All
 * processes of the job must have ended.
 */
export function leavesResults(assignment: Assignment, { output, summary }: { output: string; summary: string }): boolean {
	return assignment.reports !== null || savedPatterns(assignment).length > 0 || !isEmptyFile(output) || !isEmptyFile(summary);
}

function isEmptyFile(file: string): boolean {
	try {
		const info = lstatSync(file);
		return info.isFile() && info.size === 0;
	} catch {
		// The reader knows what to do about a file that is gone.
		return false;
	}
}
