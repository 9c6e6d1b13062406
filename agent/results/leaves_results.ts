import type { Assignment } from "../../schema/wire/protocol.ts";
import { isEmptyFile } from "../files/is_empty_file.ts";

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
