import * as z from "zod";
import { type CheckoutChoice, MAX_CHECKOUT_DEPTH, SUBMODULES } from "../../wire/checkout.ts";
import { addressError, isRef, REF_ERROR } from "../../wire/git.ts";
import { isId } from "../../wire/ids.ts";
import { label } from "../../wire/labels.ts";
import { MAX_RETRY_ATTEMPTS, MAX_SAVE_ENTRIES, MAX_STEPS } from "../../wire/limits.ts";
import { SECRET_NAME, SECRET_NAME_FAULT } from "../../wire/secret_names.ts";
import { MAX_SECRETS_PER_JOB } from "../../wire/secrets.ts";
import { RETRIES, TEST_REPORT_KINDS } from "../../wire/work.ts";
import { AmbiguousScalar } from "../syntax/document.ts";
import { container, credentials, IMAGE, IMAGE_ERROR, services } from "./containers.ts";
import { notifications } from "./notifications.ts";
import { parameters } from "./parameters.ts";
import { requirements } from "./requirements.ts";
import { triggers } from "./triggers.ts";
import {
	buildArguments,
	command,
	condition,
	count,
	duration,
	environmentTemplate,
	flag,
	glob,
	globs,
	isScalar,
	keepDuration,
	longDuration,
	meant,
	nonEmpty,
	nonEmptyTemplate,
	oneOrMore,
	refusing,
	rejectingExclusions,
	strict,
	template,
	textOrMap,
	variableName,
	withShorthand,
	workingDirectory,
} from "./values.ts";

/** The pipeline language: every key that is accepted, and what its value must be. What goes beyond one value is checked in check.ts. */

export const SHELLS = ["bash", "sh", "python3", "node"] as const;
const shell = z.enum(SHELLS);

/** Labels alone, one or several, or everything that an agent must have. */
const runsOn = withShorthand(requirements, [{ type: "string" }, { type: "array", items: { type: "string" } }], (value) =>
	isScalar(value) || Array.isArray(value) ? { labels: value } : value,
);
/** The same in a submission: labels alone. */
export const submittedLabels = oneOrMore(nonEmpty.pipe(label), 20);

export const RETRY_CAUSES = ["failed", "errored", "timed_out", "lost"] as const;
const retry = strict({
	attempts: count(1, MAX_RETRY_ATTEMPTS).describe("How many attempts there may be, the first included."),
	on: z
		.array(z.enum(RETRY_CAUSES))
		.min(1)
		.optional()
		.describe(
			"What leads to another one: `failed` (a step failed), `errored` (not the job's fault), `timed_out`, `lost` (its agent is gone). Default: all.",
		),
	exit_codes: z.array(count(1, 255)).min(1).max(50).optional().describe("A failed job is tried again only if it ended with one of these."),
}).refine((value) => !value.exit_codes || !value.on || value.on.includes("failed"), {
	path: ["exit_codes"],
	message: 'means failed attempts, and "on" leaves those out',
});

const build = strict({
	context: workingDirectory.optional().describe("The folder that is sent to the build. Default: the workspace."),
	dockerfile: workingDirectory.optional().describe("Default: `Dockerfile` in the context."),
	tags: oneOrMore(nonEmptyTemplate, 20).describe("What the image is called, registry included."),
	push: flag.optional().describe("Whether the image is pushed under all of its tags."),
	cache: oneOrMore(nonEmptyTemplate, 10).optional().describe("Images to take layers from."),
	args: buildArguments.optional().describe("What the Dockerfile asks for with `ARG`."),
	target: nonEmpty.optional().describe("The stage of the Dockerfile to build."),
	credentials: credentials.optional().describe("Which of the agent's registry credentials are used to pull and to push."),
});

const stepKeys = {
	shell: shell
		.optional()
		.describe("`bash` runs as `bash -eo pipefail`, `sh` as `sh -e`. Default: `bash`; in a container bash where it is, and sh elsewhere."),
	working_directory: workingDirectory.optional().describe("A folder inside the workspace. Default: the workspace."),
};

const stepShape = strict({
	name: nonEmptyTemplate.optional().describe("Default: the first line of `run`."),
	run: command
		.optional()
		.describe("The script. Each step is a process of its own; what one leaves in the background lives until the steps end."),
	build: build.optional().describe("Builds an image instead of running a script."),
	env: environmentTemplate.optional().describe("Variables of this step. They win over the submission's, the job's and the pipeline's."),
	...stepKeys,
	timeout: duration.optional().describe("How long the step may take. Its processes are ended: SIGTERM, ten seconds, SIGKILL."),
}).superRefine((step, context) => {
	const fault = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if (step.run === undefined && step.build === undefined) fault("run", "is required");
	if (step.run !== undefined && step.build !== undefined) fault("build", "run and build exclude each other in a step");
	if (step.build === undefined) return;
	for (const key of ["shell", "working_directory", "env"] as const)
		if (step[key] !== undefined) fault(key, "means nothing for a step that builds an image");
});
/** A step, or its command alone. */
export const step = withShorthand(stepShape, [{ type: "string" }], (value) => (isScalar(value) ? { run: value } : value));
const stepList = z.array(step).min(1, "at least one step is needed").max(MAX_STEPS);

/** What stands alone stands for a list of one. */
function listOfOne(value: unknown): unknown {
	return value === undefined || value === null || Array.isArray(value) ? value : [value];
}

/** A need: a job with all of its variants, or those that a part of the matrix selects. */
const needShape = strict({
	job: nonEmpty.describe("The job that must have ended."),
	matrix: z.record(z.string(), nonEmpty).optional().describe("Only the variants with these values. Default: all."),
});
const need = withShorthand(needShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));
const needList = withShorthand(z.array(need), [need], listOfOne);

const fetchShape = strict({
	job: nonEmpty.describe("A job that this one needs, directly or by way of others."),
	matrix: z.record(z.string(), nonEmptyTemplate).optional().describe("Only the variants with these values. Default: all."),
	paths: globs(100).optional().describe("Which of its files; `!` excludes. Default: all."),
	into: workingDirectory.optional().describe("The folder to put them in. Default: the workspace."),
});
const fetched = withShorthand(fetchShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));

const saveShape = strict({
	paths: globs(MAX_SAVE_ENTRIES).describe("Files to keep, relative to the workspace; `!` excludes."),
	name: nonEmpty
		.pipe(
			z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "is 1 to 100 letters, digits, -, _ and ., and begins with a letter or a digit"),
		)
		.optional()
		.describe("What these files are called together: they can be downloaded as one zip. Entries may share a name. Default: none."),
	required: flag.optional().describe("Whether the job fails when nothing matches. Default: `false`, and the log says so."),
	expire_in: keepDuration
		.optional()
		.describe(
			"The files are deleted so long after they were saved, when their run has ended. Default: with the other artifacts of the project, which is also the longest.",
		),
});
const saved = textOrMap(glob, saveShape);

const artifacts = strict({
	save: withShorthand(
		z.array(saved).min(1, "at least one is needed").max(MAX_SAVE_ENTRIES, `at most ${MAX_SAVE_ENTRIES}`).superRefine(rejectingExclusions),
		[saved],
		(value) => (isScalar(value) ? [value] : value),
	)
		.optional()
		.describe("Files to keep, relative to the workspace; `!` excludes. They are saved also when a step has failed."),
	fetch: withShorthand(z.array(fetched).max(50), [fetched], listOfOne)
		.optional()
		.describe("Files of other jobs, brought before the first step."),
});

const MAX_AXES = 8;
/** The axes of the entries of a matrix: each may have others. */
const MAX_CELL_AXES = 50;
/** Words of a matrix that are not axes. */
export const MATRIX_WORDS = ["include", "exclude", "fail_fast"] as const;
const axisName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,30}$/, "the name of an axis is letters, digits and underscores");
const cell = z.record(axisName, template);
const matrixShape = z
	.object({
		include: z
			.array(cell)
			.max(256)
			.optional()
			.describe("Values for the variants that agree with an entry; an entry with which none agrees is a variant of its own."),
		exclude: z.array(cell).max(256).optional().describe("Takes away the variants that have all values of an entry."),
		fail_fast: flag.optional().describe("The first variant that fails ends the others."),
	})
	.catchall(oneOrMore(template, 256).describe("An axis: its values. Every combination of the axes is a variant."))
	.superRefine((value, context) => {
		const axes = Object.keys(value).filter((key) => !MATRIX_WORDS.includes(key as never));
		for (const name of axes) {
			const checked = axisName.safeParse(name);
			if (!checked.success) context.addIssue({ code: "custom", path: [name], message: checked.error.issues[0]?.message ?? "" });
		}
		if (axesOfCells(value) > MAX_CELL_AXES) context.addIssue({ code: "custom", message: `at most ${MAX_CELL_AXES} axes in all entries` });
		if (axes.length > MAX_AXES) context.addIssue({ code: "custom", message: `at most ${MAX_AXES} axes` });
		if (axes.length === 0 && !value.include?.length) context.addIssue({ code: "custom", message: "needs an axis, such as node: [22, 24]" });
	});
const matrix = meant(matrixShape);

function axesOfCells({ include = [], exclude = [] }: { include?: object[] | undefined; exclude?: object[] | undefined }): number {
	return new Set([...include, ...exclude].flatMap((one) => Object.keys(one))).size;
}

const GROUP_LIMIT = 100;
const concurrencyShape = strict({
	group: nonEmptyTemplate.describe("Its name, within the project. Groups of runs and of jobs are apart from each other."),
	limit: count(1, GROUP_LIMIT).optional().describe("How many of its members run at once. Default: 1. The newest submission sets it."),
	cancel_in_progress: flag.optional().describe("The newest cancels those before it."),
});
const isLimitOne = (value: { limit?: number | undefined; cancel_in_progress?: boolean | undefined }) =>
	!value.cancel_in_progress || (value.limit ?? 1) === 1;
const limitError = { path: ["cancel_in_progress"], message: "needs a limit of 1: the newest cancels the one before it" };
const groupName = (value: unknown) => (isScalar(value) ? { group: value } : value);
const concurrency = withShorthand(concurrencyShape.refine(isLimitOne, limitError), [{ type: "string" }], groupName);
const runConcurrency = withShorthand(
	concurrencyShape
		.extend({
			hold_during_approval: flag.optional().describe("A run that only waits for an approval keeps its place. Default: others pass."),
		})
		.refine(isLimitOne, limitError),
	[{ type: "string" }],
	groupName,
);

/** Who can be asked for an approval. */
export const ROLES = ["admin"] as const;
const approvalShape = strict({
	roles: z.array(z.enum(ROLES)).min(1).optional().describe("Whose word counts. Default: `admin`."),
	timeout: longDuration.optional().describe("Not approved in this time, the job is cancelled, and so is the run. Default: no end."),
	message: nonEmpty.optional().describe("What is to be decided; shown at the button."),
});
const approval = withShorthand(approvalShape.optional(), [{ type: "boolean" }], (value) => {
	const { data: isAsked } = flag.safeParse(value);
	return isAsked === undefined ? value : isAsked ? {} : undefined;
});

const OUTPUT_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const outputName = z
	.string()
	.regex(OUTPUT_NAME, "the name of an output is letters, digits and underscores")
	.refine((name) => name !== "__proto__", "no output may have this name: choose another one");
const outputs = z.array(nonEmpty.pipe(outputName)).max(50);

const secrets = z
	.record(variableName, nonEmpty.pipe(z.string().regex(SECRET_NAME, SECRET_NAME_FAULT)))
	.refine((value) => Object.keys(value).length <= MAX_SECRETS_PER_JOB, `at most ${MAX_SECRETS_PER_JOB}`);

const coverage = strict({
	lcov: globs(20).optional().describe("Tracefiles of lcov."),
	cobertura: globs(20).optional().describe("Cobertura XML."),
	go: globs(20).optional().describe("What `go test -coverprofile` writes."),
}).refine((value) => Object.keys(value).length === 1, "needs one of lcov, cobertura and go");
const reports = strict({
	junit: globs(20).optional().describe("JUnit XML."),
	go_test: globs(20).optional().describe("What `go test -json` writes. A package that does not build is a failed test."),
	tap: globs(20).optional().describe("The Test Anything Protocol."),
	libtest: globs(20).optional().describe("What `cargo test` prints, as text or as JSON."),
	automake: globs(20).optional().describe("The `.trs` files of automake's tests."),
	trx: globs(20).optional().describe("TRX, as `dotnet test --logger trx` writes it."),
	bazel: globs(20).optional().describe("The `test.xml` files of Bazel, with those in `test_attempts`."),
	coverage: coverage.optional().describe("Which lines the tests have run, in one of three formats."),
	allow_empty: flag.optional().describe("Reports without a test are no failure. Default: they fail the job."),
	retries: z
		.enum(RETRIES)
		.optional()
		.describe("A test that failed and then passed in one report: `flaky` (the default) lets the job succeed, `fail` fails it."),
})
	.refine((value) => value.coverage !== undefined || TEST_REPORT_KINDS.some((kind) => value[kind] !== undefined), {
		message: `names no report: needs one of ${TEST_REPORT_KINDS.join(", ")} and coverage`,
	})
	.refine((value) => value.retries === undefined || TEST_REPORT_KINDS.some((kind) => value[kind] !== undefined), {
		path: ["retries"],
		message: `needs a test report: one of ${TEST_REPORT_KINDS.join(", ")}`,
	});

/** What `defaults` may give to every job. */
const defaultKeys = {
	runs_on: runsOn.optional().describe("What an agent must have: labels, or a map. Default: any agent."),
	container: container.optional().describe("The image that the steps run in. Default: the agent itself."),
	timeout: duration
		.optional()
		.describe("How long the job may take from its start on the agent, checkout included. Default: 60m; at most 24h."),
	idle_timeout: duration.optional().describe("The job is ended when its steps have written nothing for so long."),
	retry: retry
		.optional()
		.describe(
			"Tries again after a pause of 1 s, doubled each time up to a minute. Without it a lost job is tried three times in all, everything else once.",
		),
};

/** What a job and a pipeline of one job have in common. */
const jobKeys = {
	...defaultKeys,
	services: services.optional().describe("Containers beside the job, reached by their names. They must be healthy before the steps begin."),
	matrix: matrix.optional().describe("Variants of the job, at most 256, each a job of its own."),
	if: condition.optional().describe("A condition (CEL): where it is false the job is skipped."),
	allow_failure: flag
		.optional()
		.describe("The job may fail: it keeps its mark, those that need it go on, and the run succeeds with a warning."),
	approval: approval.optional().describe("The job waits until somebody approves it."),
	secrets: secrets
		.optional()
		.describe("Variables of its steps that hold secrets: variable → name. They are hidden in logs, and given to nothing but this job."),
	outputs: outputs.optional().describe("Names of what the job writes to `$CI_OUTPUT` for those that need it."),
	artifacts: artifacts.optional().describe("Files that outlive the job, and files of other jobs."),
	reports: reports.optional().describe("What tools have written about tests and coverage; failed tests fail the job."),
	steps: stepList.describe("What to do, one after the other, until one fails. A step may be just its command."),
};

export const JOB_KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

/** A job of several. */
export const job = strict({
	name: nonEmptyTemplate.optional().describe("What the job is called. Default: its id, with the values of the variant."),
	needs: needList.optional().describe("The job begins when these have ended. Those that do not need each other run at the same time."),
	env: environmentTemplate.optional().describe("Variables of the job. They win over the pipeline's."),
	concurrency: concurrency.optional().describe("The group of jobs that this one belongs to; a name alone is its `group`."),
	...jobKeys,
});

const gitAddress = nonEmpty.superRefine(refusing(addressError));
export const gitRef = nonEmpty.refine(isRef, REF_ERROR);

const DEPTH_ERROR = `is a number of commits from 1 to ${MAX_CHECKOUT_DEPTH}, or full`;
const checkoutDepth = meant(
	z
		.union([z.number(), z.literal("full")], { error: () => DEPTH_ERROR })
		.refine((depth) => depth === "full" || (Number.isInteger(depth) && depth >= 1 && depth <= MAX_CHECKOUT_DEPTH), DEPTH_ERROR),
);
const submodules = withShorthand(z.enum(SUBMODULES, { error: () => "is none, true or recursive" }), [{ type: "boolean" }], (value) => {
	const written = value instanceof AmbiguousScalar ? value.value : value;
	return typeof written === "boolean" ? (written ? "true" : "none") : written;
});

/** What the workspace is made of: a git repository and how much of it, or a bundle that was uploaded before. */
export const source = strict({
	git: gitAddress.optional().describe("A repository: https, ssh, `git@host:path`, `file://` or an absolute path; never with a password."),
	ref: gitRef
		.optional()
		.describe("A branch, a tag or a full commit id; the first job pins the commit for all. Default: the repository's HEAD."),
	upload: nonEmpty
		.refine((id) => isId("source", id), "is not the id of an uploaded source (src_…)")
		.optional()
		.describe("Instead of `git`: an archive that was uploaded before (`src_…`)."),
	depth: checkoutDepth.optional().describe("How many commits of history: a number, or `full`. Default: the project's setting, or 1."),
	tags: flag
		.optional()
		.describe(
			"Whether all tags of the repository are there. The tag that is checked out always is. Default: the project's setting, or false.",
		),
	submodules: submodules
		.optional()
		.describe(
			"Which submodules are checked out: `none`, `true` (those that the repository names) or `recursive`. Default: the project's setting, or `recursive`.",
		),
	lfs: flag
		.optional()
		.describe("Whether large files of Git LFS take the place of their pointers. Default: the project's setting, or true."),
}).transform((value, context): SourceText => {
	const { git, ref, upload, ...checkout } = value;
	const hasCheckout = Object.keys(checkout).length > 0;
	if (git !== undefined && upload === undefined) return { git, ref: ref ?? null, checkout };
	if (upload !== undefined && git === undefined && ref === undefined && !hasCheckout) return { upload };
	if (upload === undefined && git === undefined && ref === undefined && hasCheckout) return { checkout };
	const fault =
		git === undefined && upload === undefined
			? "needs git (a repository's address) or upload (src_…)"
			: "takes git, with what belongs to it, or upload; not both";
	context.addIssue({ code: "custom", message: fault });
	return z.NEVER;
});
/** A repository; an upload; or only how much of the project's repository is wanted. */
export type SourceText = { git: string; ref: string | null; checkout: CheckoutChoice } | { upload: string } | { checkout: CheckoutChoice };

export const priority = count(-100, 100);

const head = {
	name: nonEmpty.pipe(z.string().max(200)).optional().describe("What the pipeline is called everywhere. Default: `pipeline`."),
	on: triggers
		.optional()
		.describe(
			"In the repository of a project: what makes it run by itself. Default: every push, and pull requests from other repositories. A run that somebody submits, or a file that somebody asks for by its name, takes no notice of it.",
		),
	params: parameters.optional().describe("What a submission may choose, at most 50."),
	source: source
		.optional()
		.describe("What the fresh workspace of every job is made of. Default: the repository of the project; without one it is empty."),
	env: environmentTemplate.optional().describe("Variables of every job. Names that begin with `CI_` and `WINDLASS_` are taken."),
	priority: priority.optional().describe("Higher goes first, strictly. Default: 0."),
	concurrency: runConcurrency.optional().describe("The group of runs that this one belongs to; a name alone is its `group`."),
	fail_fast: flag
		.optional()
		.describe("The first job that fails ends the others, but for those whose `if` asks for the status. Default: they go on."),
	notify: notifications.optional().describe("Who is told of a run, and when; at most 10."),
};
const defaults = strict({ ...defaultKeys, ...stepKeys });
const tail = { defaults: defaults.optional().describe("For every job, or step, that does not say otherwise.") };

/** A pipeline with `jobs`; its `timeout` is that of the run. */
export const pipelineOfJobs = strict({
	...head,
	timeout: duration
		.optional()
		.describe("How long the run may take from its first start; what runs then is cancelled, and what waits as well. Default: no end."),
	jobs: z.record(z.string(), job).describe("The jobs by their ids: letters, digits, `-` and `_`. At most 1,000, all variants counted."),
	...tail,
});
/** A pipeline with `steps` at the top: one job called `main`. */
export const pipelineOfSteps = strict({ ...head, ...jobKeys, ...tail });
/** What is said of a pipeline that has neither. */
export const PIPELINE_KEYS = [...new Set([...Object.keys(head), ...Object.keys(jobKeys), "jobs", ...Object.keys(tail)])];

export type PipelineOfJobs = z.infer<typeof pipelineOfJobs>;
export type PipelineOfSteps = z.infer<typeof pipelineOfSteps>;
export type JobText = z.infer<typeof job>;
export type StepText = JobText["steps"][number];
export type MatrixText = z.infer<typeof matrix>;
/** The image that a submission may name for every job. */
export const submittedContainer = nonEmpty.refine((value) => value.length <= 400 && IMAGE.test(value), IMAGE_ERROR);
