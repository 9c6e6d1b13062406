import * as z from "zod";
import { projectName } from "../../wire/projects.ts";
import { isInside } from "../syntax/patterns.ts";
import { isScalar, listOfOne, nonEmpty, oneOrMore, strict, withShorthand } from "./values.ts";

/** The keys that put a pipeline together: they are gone when it is validated (compose/). */

export const MAX_INCLUDES = 50;

const includeShape = strict({
	file: nonEmpty
		.refine(isInside, "The file must be in the repository: write a relative path without `..`.")
		.optional()
		.describe("The path of the file in its repository."),
	project: nonEmpty
		.pipe(projectName)
		.optional()
		.describe(
			"The project whose repository has the file; it must allow this one (`includable_by`). Default: this project, at the same commit.",
		),
	ref: nonEmpty.optional().describe("The branch, tag or commit of that repository. Default: its default branch."),
}).superRefine(({ file, project, ref }, context) => {
	const add = (path: string, message: string, suggestion: string) =>
		context.addIssue({ code: "custom", path: [path], message, params: { suggestion } });
	if (file === undefined) add("file", "An include needs a `file`.", "Write: include: [{ file: ci/base.yml }].");
	if (ref !== undefined && project === undefined)
		add("ref", "A file of this repository is taken from the same commit: `ref` needs `project`.", "Remove `ref`.");
});
const include = withShorthand(includeShape, [{ type: "string" }], (value) => (isScalar(value) ? { file: value } : value));
export const includes = withShorthand(
	z.array(include).min(1, "`include` must have at least one file.").max(MAX_INCLUDES, `A pipeline includes at most ${MAX_INCLUDES} files.`),
	[include],
	listOfOne,
);
export type IncludeText = z.infer<typeof include> & { file: string };

/** The templates of a job. */
export const extended = oneOrMore(nonEmpty, 10);
