import * as z from "zod";
import { MAX_CHANGED_PATHS, MAX_DISCOVERY_FILE_BYTES } from "../../wire/limits.ts";
import { projectName } from "../../wire/projects.ts";
import { priority, submittedContainer, submittedLabels } from "./language.ts";
import { gitRef, source } from "./source.ts";
import { environment, KNOWN_KEYS, nonEmpty, oneOrMore } from "./values.ts";

/** The keys of a submission: a pipeline or a command, and the values for this run. */

const keys = {
	pipeline: z.unknown().optional(),
	run: z.unknown().optional(),
	/** The files that the pipeline includes: path → text. */
	files: z.record(z.string().max(500), z.string().max(MAX_DISCOVERY_FILE_BYTES)).optional(),
	params: z.record(z.string(), z.unknown()).optional(),
	env: environment.optional(),
	source: source.optional(),
	branch: gitRef.optional(),
	/** The paths that have changed, for changed() in conditions. */
	changed: z.array(z.string().max(1000)).max(MAX_CHANGED_PATHS).optional(),
	runs_on: submittedLabels.optional(),
	container: submittedContainer.optional(),
	priority: priority.optional(),
	project: projectName.optional(),
	/** The keys of the jobs that run, with those that they need. Default: all. */
	jobs: oneOrMore(nonEmpty, 100).optional(),
};

export const submission = z.strictObject(keys, {
	error: (issue) => (issue.code === "unrecognized_keys" ? KNOWN_KEYS + Object.keys(keys).join(", ") : undefined),
});
export type SubmissionText = z.infer<typeof submission>;
