import * as z from "zod";
import { MAX_SAVE_ENTRIES } from "../../wire/limits.ts";
import { cell } from "./matrix.ts";
import { glob, globs, rejectingExclusions } from "./pattern_values.ts";
import { flag, isScalar, keepDuration, listOfOne, nonEmpty, strict, textOrMap, withShorthand, workingDirectory } from "./values.ts";

/** `artifacts`: the files that a job saves, and the files of other jobs that it fetches. */

const fetchShape = strict({
	job: nonEmpty.describe("A job that this one needs, directly or through others."),
	matrix: cell.optional().describe("Only the matrix jobs with these values. Default: all."),
	paths: globs(100).optional().describe("Which of its files; `!` excludes. Default: all."),
	into: workingDirectory.optional().describe("The folder to put them in. Default: the workspace."),
});
const fetched = withShorthand(fetchShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));

const NAME_ERROR = "A name of artifacts has 1 to 100 letters, digits and the characters - _ . and begins with a letter or a digit.";
const saveShape = strict({
	paths: globs(MAX_SAVE_ENTRIES).describe("Files to keep, relative to the workspace; `!` excludes."),
	name: nonEmpty
		.pipe(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, NAME_ERROR))
		.optional()
		.describe("The name of these files as a group, to be downloaded as one zip. Entries may share a name. Default: none."),
	required: flag.optional().describe("Whether the job fails when no file matches. Default: `false`; the log then has a line about it."),
	expire_in: keepDuration
		.optional()
		.describe(
			"How long the files are kept after they were saved; they are never deleted before their run has ended. Default and maximum: the time for artifacts of the project.",
		),
});
const saved = textOrMap(glob, saveShape);
const saveList = z
	.array(saved)
	.min(1, "`save` must have at least one entry.")
	.max(MAX_SAVE_ENTRIES, `\`save\` has at most ${MAX_SAVE_ENTRIES} entries.`)
	.superRefine(rejectingExclusions);

export const artifacts = strict({
	save: withShorthand(saveList, [saved], (value) => (isScalar(value) ? [value] : value))
		.optional()
		.describe("Files to keep, relative to the workspace; `!` excludes. They are saved also when a step fails."),
	fetch: withShorthand(z.array(fetched).max(50), [fetched], listOfOne)
		.optional()
		.describe("Files of other jobs, fetched before the first step."),
});
