import * as z from "zod";
import { BUILD_TOOLS } from "../../wire/build_caches.ts";
import { label } from "../../wire/labels.ts";
import { MAX_RETRY_ATTEMPTS } from "../../wire/limits.ts";
import { OUTPUT_NAME, OUTPUT_NAME_ERROR } from "../../wire/output_names.ts";
import type { Role } from "../../wire/permissions.ts";
import { SECRET_NAME, SECRET_NAME_ERROR } from "../../wire/secret_names.ts";
import { MAX_SECRETS_PER_JOB } from "../../wire/secrets.ts";
import { artifacts } from "./artifacts.ts";
import { caches } from "./caches.ts";
import { extended, includes } from "./composition_keys.ts";
import { container, IMAGE, IMAGE_ERROR, services } from "./containers.ts";
import { matrix, plainCell } from "./matrix.ts";
import { notifications } from "./notifications.ts";
import { parameters } from "./parameters.ts";
import { reports } from "./reports.ts";
import { requirements } from "./requirements.ts";
import { source } from "./source.ts";
import { finallySteps, stepKeys, stepList } from "./steps.ts";
import { triggers } from "./triggers.ts";
import {
	condition,
	count,
	duration,
	environmentTemplate,
	flag,
	isScalar,
	listOfOne,
	longDuration,
	meant,
	nonEmpty,
	nonEmptyTemplate,
	oneOrMore,
	strict,
	variableName,
	withShorthand,
} from "./values.ts";

/**
 * The pipeline language: the keys of pipelines and jobs. Rules that concern several values are in
 * whole_pipeline.ts.
 */

/** Labels alone, one or several, or a map of requirements. */
const runsOn = withShorthand(requirements, [{ type: "string" }, { type: "array", items: { type: "string" } }], (value) =>
	isScalar(value) || Array.isArray(value) ? { labels: value } : value,
);
/** The labels of a submission. */
export const submittedLabels = oneOrMore(nonEmpty.pipe(label), 20);
/** The image that a submission may name for every job. */
export const submittedContainer = nonEmpty.refine((value) => value.length <= 400 && IMAGE.test(value), IMAGE_ERROR);

export const RETRY_CAUSES = ["failed", "errored", "timed_out", "lost"] as const;
const retry = strict({
	attempts: count(1, MAX_RETRY_ATTEMPTS).describe("How many attempts there may be, the first included."),
	on: z
		.array(z.enum(RETRY_CAUSES))
		.min(1)
		.optional()
		.describe(
			"What leads to another attempt: `failed` (a step failed), `errored` (not the job's own error), `timed_out`, `lost` (its agent is gone). Default: all.",
		),
	exit_codes: z
		.array(count(1, 255))
		.min(1)
		.max(50)
		.optional()
		.describe("A failed job is tried again only if it ended with one of these exit codes."),
}).refine((value) => !value.exit_codes || !value.on || value.on.includes("failed"), {
	path: ["exit_codes"],
	message: "`exit_codes` are those of failed attempts, and `on` does not have `failed`.",
});

/** A need: a job with all of its matrix jobs, or those with some values. */
const needShape = strict({
	job: nonEmpty.describe("The job that must have ended."),
	matrix: plainCell.optional().describe("Only the matrix jobs with these values. Default: all."),
});
export type NeedText = z.infer<typeof needShape> & {
	/** Whether it only says the order (order.ts). */
	is_order?: true;
};
const need: z.ZodType<NeedText> = withShorthand(needShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));
const needList = withShorthand(z.array(need), [need], listOfOne);

const GROUP_LIMIT = 100;
const concurrencyShape = strict({
	group: nonEmptyTemplate.describe("Its name, within the project. Groups of runs and groups of jobs are separate."),
	limit: count(1, GROUP_LIMIT).optional().describe("How many of its members run at once. Default: 1. The newest submission sets it."),
	cancel_in_progress: flag.optional().describe("The newest member cancels the earlier ones. Default: `false`."),
});
const isLimitOne = (value: { limit?: number | undefined; cancel_in_progress?: boolean | undefined }) =>
	!value.cancel_in_progress || (value.limit ?? 1) === 1;
const limitError = {
	path: ["cancel_in_progress"],
	message: "`cancel_in_progress` needs a `limit` of 1: the newest cancels the one before it.",
};
const groupName = (value: unknown) => (isScalar(value) ? { group: value } : value);
const concurrency = withShorthand(concurrencyShape.refine(isLimitOne, limitError), [{ type: "string" }], groupName);
const runConcurrency = withShorthand(
	concurrencyShape
		.extend({
			hold_during_approval: flag
				.optional()
				.describe("Whether a run that only waits for an approval keeps its place in the group. Default: `false`."),
		})
		.refine(isLimitOne, limitError),
	[{ type: "string" }],
	groupName,
);

/** Who can be asked for an approval. */
export const APPROVER_ROLES = ["maintainer", "admin", "operator"] as const satisfies readonly Role[];
const MAX_APPROVALS = 10;
const approvalShape = strict({
	roles: z
		.array(z.enum(APPROVER_ROLES))
		.min(1)
		.optional()
		.describe(
			"Who can approve: people with one of these roles, or a greater one. Default: `maintainer`; nobody by their role where `users` is given.",
		),
	users: z
		.array(nonEmpty)
		.min(1)
		.max(100)
		.optional()
		.describe("Who can approve, by name, whatever their role among those that may approve. Beside `roles`: these, too."),
	count: meant(z.number().int().min(1).max(MAX_APPROVALS)).optional().describe("How many of them must approve. Default: 1."),
	not_author: flag.optional().describe("Whether the person who submitted the run may not approve. Default: `false`."),
	timeout: longDuration
		.optional()
		.describe("After this time without an approval the job is cancelled, and so is the run. Default: no limit."),
	message: nonEmpty.optional().describe("The question; shown beside the button."),
});
const approval = withShorthand(approvalShape.optional(), [{ type: "boolean" }], (value) => {
	const { data: isAsked } = flag.safeParse(value);
	return isAsked === undefined ? value : isAsked ? {} : undefined;
});

const outputName = z
	.string()
	.regex(OUTPUT_NAME, OUTPUT_NAME_ERROR)
	.refine((name) => name !== "__proto__", "No output can have the name `__proto__`: choose another name.");
const outputs = z.array(nonEmpty.pipe(outputName)).max(50);

const secrets = z
	.record(variableName, nonEmpty.pipe(z.string().regex(SECRET_NAME, SECRET_NAME_ERROR)))
	.refine((value) => Object.keys(value).length <= MAX_SECRETS_PER_JOB, `A job has at most ${MAX_SECRETS_PER_JOB} secrets.`);

const buildCaches = oneOrMore(z.enum(BUILD_TOOLS), BUILD_TOOLS.length).refine(
	(tools) => new Set(tools).size === tools.length,
	"A tool is listed twice.",
);

/** The keys of a job that `defaults` can give to every job. */
const defaultKeys = {
	runs_on: runsOn.optional().describe("The requirements for the agent: labels, or a map. Default: any agent."),
	container: container.optional().describe("The image that the steps run in. Default: the agent itself."),
	timeout: duration
		.optional()
		.describe("How long the job may take from its start on the agent, checkout included. Default: 60m; at most 24h."),
	idle_timeout: duration.optional().describe("The job ends when its steps write nothing for this time."),
	cache: caches
		.optional()
		.describe("Folders of the workspace that are there before the steps, as an earlier job has left them, and are saved after them."),
	build_caches: buildCaches
		.optional()
		.describe("Build tools that keep their results at the coordinator; their steps get the variables that the tools read."),
	retry: retry
		.optional()
		.describe(
			"Tries again after a pause of 1 s, doubled each time up to a minute. Default: a lost job is tried three times in all, every other job once.",
		),
};

/** What a job and a pipeline of one job have in common. */
const jobKeys = {
	...defaultKeys,
	services: services.optional().describe("Containers beside the job, reached by their names. They must be healthy before the steps begin."),
	matrix: matrix.optional().describe("Makes matrix jobs, at most 256: one for each combination of values."),
	if: condition.optional().describe("A condition (CEL): if it is false the job is skipped."),
	allow_failure: flag
		.optional()
		.describe("Whether the job may fail: it is shown as failed, jobs that need it go on, and the run succeeds with a warning."),
	approval: approval.optional().describe("The job waits until a person approves it."),
	secrets: secrets
		.optional()
		.describe("Variables of its steps that hold secrets: variable → name. Logs hide the values, and no other job gets them."),
	outputs: outputs.optional().describe("Names of the values that the job writes to `$CI_OUTPUT` for jobs that need it."),
	artifacts: artifacts.optional().describe("Files that are kept after the job, and files of other jobs."),
	reports: reports.optional().describe("Reports of tests and coverage; failed tests fail the job."),
	steps: stepList.describe("The steps, one after the other, until one fails. A step may be just its command."),
	finally: finallySteps
		.optional()
		.describe(
			"Steps that run after the others, however these ended: success, failure, timeout or cancel. A list, or a map with a `timeout`.",
		),
};

export const JOB_KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

/** One of several jobs. */
export const job = strict({
	extends: extended
		.optional()
		.describe(
			"The templates of the job. Maps are merged, and everything else is replaced: a later template wins over an earlier one, and the job over all.",
		),
	name: nonEmptyTemplate.optional().describe("The name of the job. Default: its id, with the values of the matrix job."),
	needs: needList
		.optional()
		.describe(
			'The job begins when these have ended; `"*"` means every job that does not need this one. Jobs that do not need each other run at the same time.',
		),
	stage: nonEmpty.optional().describe("The stage of the job. Without `needs`, it begins when the jobs of all stages before have ended."),
	env: environmentTemplate.optional().describe("Variables of the job. They override the variables of the pipeline."),
	concurrency: concurrency.optional().describe("The group of jobs that this one belongs to; a name alone is its `group`."),
	...jobKeys,
});

export const priority = count(-100, 100);

const head = {
	name: nonEmpty
		.pipe(z.string().max(200, "The name has at most 200 characters."))
		.optional()
		.describe("The name of the pipeline. Default: `pipeline`."),
	include: includes.optional().describe("Files with jobs, templates and other keys. The pipeline wins over what it includes."),
	on: triggers
		.optional()
		.describe(
			"The events that run a pipeline of a repository. Default: every push, and pull requests from forks. A submission, or a request for this file by its name, runs it in any case.",
		),
	params: parameters.optional().describe("Values that a submission may choose, at most 50."),
	source: source
		.optional()
		.describe("What the fresh workspace of every job contains. Default: the repository of the project; without one it is empty."),
	env: environmentTemplate.optional().describe("Variables of every job. Names that begin with `CI_` and `WINDLASS_` are reserved."),
	priority: priority.optional().describe("Jobs of a higher priority always go first. Default: 0."),
	concurrency: runConcurrency.optional().describe("The group of runs that this one belongs to; a name alone is its `group`."),
	fail_fast: flag
		.optional()
		.describe("Whether the first job that fails cancels the others, except those whose `if` asks for the status. Default: `false`."),
	notify: notifications.optional().describe("Who is notified of a run, and when; at most 10."),
};
const defaults = strict({ ...defaultKeys, ...stepKeys });
const tail = { defaults: defaults.optional().describe("Keys for every job, or step, that does not have them itself.") };

/** A pipeline with `jobs`; its `timeout` is that of the run. */
export const pipelineOfJobs = strict({
	...head,
	timeout: duration
		.optional()
		.describe("How long the run may take from its first start; then its jobs are cancelled, running and waiting ones. Default: no limit."),
	stages: z
		.array(nonEmpty.pipe(z.string().max(100, "The name of a stage has at most 100 characters.")))
		.min(1, "`stages` must have at least one stage.")
		.max(50)
		.optional()
		.describe("The names of the stages in their order: an order of the jobs without `needs`."),
	templates: z
		.record(z.string(), z.unknown())
		.optional()
		.describe("Parts of jobs by their names, for `extends`. They take the keys of a job, and none is required."),
	jobs: z.record(z.string(), job).describe("The jobs by their ids: letters, digits, `-` and `_`. At most 1,000, all matrix jobs counted."),
	...tail,
});
/** A pipeline with `steps` at the top: one job called `main`. */
export const pipelineOfSteps = strict({ ...head, ...jobKeys, ...tail });
/** The keys of a pipeline, where it has neither jobs nor steps. */
export const PIPELINE_KEYS = [
	...new Set([...Object.keys(head), ...Object.keys(jobKeys), "templates", "stages", "jobs", ...Object.keys(tail)]),
];

export type PipelineOfJobs = z.infer<typeof pipelineOfJobs>;
export type PipelineOfSteps = z.infer<typeof pipelineOfSteps>;
export type JobText = z.infer<typeof job>;
