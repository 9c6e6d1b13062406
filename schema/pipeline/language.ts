import * as z from "zod";
import { isId } from "../wire/ids.ts";
import { MAX_RETRY_ATTEMPTS, MAX_STEPS } from "../wire/limits.ts";
import { label } from "../wire/protocol.ts";
import { container, credentials, IMAGE, IMAGE_FAULT, services } from "./containers.ts";
import { parameters } from "./parameters.ts";
import { requirements } from "./requirements.ts";
import {
	buildArguments,
	command,
	count,
	duration,
	environmentTemplate,
	flag,
	glob,
	isScalar,
	longDuration,
	nonEmpty,
	nonEmptyTemplate,
	oneOrMore,
	strict,
	template,
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
	attempts: count(1, MAX_RETRY_ATTEMPTS),
	on: z.array(z.enum(RETRY_CAUSES)).min(1).optional(),
	exit_codes: z.array(count(1, 255)).min(1).max(50).optional(),
}).refine((value) => !value.exit_codes || !value.on || value.on.includes("failed"), {
	path: ["exit_codes"],
	message: 'means failed attempts, and "on" leaves those out',
});

const build = strict({
	context: workingDirectory.optional(),
	dockerfile: workingDirectory.optional(),
	tags: oneOrMore(nonEmptyTemplate, 20),
	push: flag.optional(),
	cache: oneOrMore(nonEmptyTemplate, 10).optional(),
	args: buildArguments.optional(),
	target: nonEmpty.optional(),
	credentials: credentials.optional(),
});

const stepShape = strict({
	name: nonEmptyTemplate.optional(),
	run: command.optional(),
	build: build.optional(),
	env: environmentTemplate.optional(),
	working_directory: workingDirectory.optional(),
	shell: shell.optional(),
	timeout: duration.optional(),
}).superRefine((step, context) => {
	const fault = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if (step.run === undefined && step.build === undefined) fault("run", "is required");
	if (step.run !== undefined && step.build !== undefined) fault("build", "run and build exclude each other in a step");
	if (step.build === undefined) return;
	for (const key of ["shell", "working_directory", "env"] as const)
		if (step[key] !== undefined) fault(key, "means nothing for a step that builds an image");
});
const step = withShorthand(stepShape, [{ type: "string" }], (value) => (isScalar(value) ? { run: value } : value));
const stepList = z.array(step).min(1, "at least one step is needed").max(MAX_STEPS);

/** What stands alone stands for a list of one. */
function listOfOne(value: unknown): unknown {
	return value === undefined || value === null || Array.isArray(value) ? value : [value];
}

/** A need: a job with all of its variants, or those that a part of the matrix selects. */
const needShape = strict({ job: nonEmpty, matrix: z.record(z.string(), nonEmpty).optional() });
const need = withShorthand(needShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));
const needList = withShorthand(z.array(need), [{ type: "string" }], listOfOne);

const fetchShape = strict({
	job: nonEmpty,
	matrix: z.record(z.string(), nonEmptyTemplate).optional(),
	paths: oneOrMore(glob, 100).optional(),
	into: workingDirectory.optional(),
});
const fetched = withShorthand(fetchShape, [{ type: "string" }], (value) => (isScalar(value) ? { job: value } : value));

const artifacts = strict({
	save: oneOrMore(glob, 100).optional(),
	fetch: withShorthand(z.array(fetched).max(50), [{ type: "string" }], listOfOne).optional(),
});

const MAX_AXES = 8;
/** Words of a matrix that are not axes. */
export const MATRIX_WORDS = ["include", "exclude", "fail_fast"] as const;
const axisName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,30}$/, "the name of an axis is letters, digits and underscores");
const cell = z.record(axisName, template);
const matrix = z
	.object({
		include: z.array(cell).max(256).optional(),
		exclude: z.array(cell).max(256).optional(),
		fail_fast: flag.optional(),
	})
	.catchall(oneOrMore(template, 256))
	.superRefine((value, context) => {
		const axes = Object.keys(value).filter((key) => !MATRIX_WORDS.includes(key as never));
		for (const name of axes) {
			const checked = axisName.safeParse(name);
			if (!checked.success) context.addIssue({ code: "custom", path: [name], message: checked.error.issues[0]?.message ?? "" });
		}
		if (axes.length > MAX_AXES) context.addIssue({ code: "custom", message: `at most ${MAX_AXES} axes` });
		if (axes.length === 0 && !value.include?.length) context.addIssue({ code: "custom", message: "needs an axis, such as node: [22, 24]" });
	});

const GROUP_LIMIT = 100;
const concurrencyShape = strict({
	group: nonEmptyTemplate,
	limit: count(1, GROUP_LIMIT).optional(),
	cancel_in_progress: flag.optional(),
});
const isLimitOne = (value: { limit?: number | undefined; cancel_in_progress?: boolean | undefined }) =>
	!value.cancel_in_progress || (value.limit ?? 1) === 1;
const limitFault = { path: ["cancel_in_progress"], message: "needs a limit of 1: the newest cancels the one before it" };
const groupName = (value: unknown) => (isScalar(value) ? { group: value } : value);
const concurrency = withShorthand(concurrencyShape.refine(isLimitOne, limitFault), [{ type: "string" }], groupName);
const runConcurrency = withShorthand(
	concurrencyShape.extend({ hold_during_approval: flag.optional() }).refine(isLimitOne, limitFault),
	[{ type: "string" }],
	groupName,
);

/** Who can be asked for an approval. */
export const ROLES = ["admin"] as const;
const approvalShape = strict({
	roles: z.array(z.enum(ROLES)).min(1).optional(),
	timeout: longDuration.optional(),
	message: nonEmpty.optional(),
});
const approval = withShorthand(approvalShape, [{ const: true }], (value) => (value === true ? {} : value));

const OUTPUT_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const outputs = z.array(nonEmpty.pipe(z.string().regex(OUTPUT_NAME, "the name of an output is letters, digits and underscores"))).max(50);

const coverage = strict({
	lcov: oneOrMore(glob, 20).optional(),
	cobertura: oneOrMore(glob, 20).optional(),
	go: oneOrMore(glob, 20).optional(),
}).refine((value) => Object.keys(value).length === 1, "needs one of lcov, cobertura and go");
const reports = strict({
	junit: oneOrMore(glob, 20).optional(),
	go_test: oneOrMore(glob, 20).optional(),
	tap: oneOrMore(glob, 20).optional(),
	coverage: coverage.optional(),
});

/** What a job and a pipeline of one job have in common. */
const jobKeys = {
	runs_on: runsOn.optional(),
	container: container.optional(),
	services: services.optional(),
	matrix: matrix.optional(),
	if: nonEmpty.optional(),
	timeout: duration.optional(),
	idle_timeout: duration.optional(),
	retry: retry.optional(),
	allow_failure: flag.optional(),
	approval: approval.optional(),
	outputs: outputs.optional(),
	artifacts: artifacts.optional(),
	reports: reports.optional(),
	steps: stepList,
};

export const JOB_KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;

const job = strict({
	name: nonEmptyTemplate.optional(),
	needs: needList.optional(),
	env: environmentTemplate.optional(),
	concurrency: concurrency.optional(),
	...jobKeys,
});

const gitAddress = nonEmpty
	.refine((url) => !url.startsWith("-"), "must be a repository address")
	.refine(
		(url) => /^(https?|ssh|git|file):\/\//.test(url) || url.startsWith("/") || /^[\w.-]+@[\w.-]+:/.test(url),
		"must be an address that git can clone: https://…, ssh://…, git@host:path, file:///… or an absolute path",
	)
	.refine(
		(url) => !/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(url),
		"may not carry a password: give the agent an SSH key or a git credential helper instead",
	);
export const gitRef = nonEmpty.refine(
	(ref) => !ref.startsWith("-") && !/[\s~^:?*[\\]|\.\.|@\{/.test(ref),
	"is not a branch, tag or commit",
);

/** What the workspace is made of: a git repository, or a bundle that was uploaded before. */
export const source = strict({
	git: gitAddress.optional(),
	ref: gitRef.optional(),
	upload: nonEmpty.refine((id) => isId("source", id), "is not the id of an uploaded source (src_…)").optional(),
}).transform((value, context): { git: string; ref: string | null } | { upload: string } => {
	const { git, ref, upload } = value;
	if (git !== undefined && upload === undefined) return { git, ref: ref ?? null };
	if (upload !== undefined && git === undefined && ref === undefined) return { upload };
	const fault =
		git === undefined && upload === undefined
			? "needs git (a repository's address) or upload (src_…)"
			: "takes git, with ref or without, or upload; not both";
	context.addIssue({ code: "custom", message: fault });
	return z.NEVER;
});
export type SourceText = z.infer<typeof source>;

export const priority = count(-100, 100);

const head = {
	name: nonEmpty.pipe(z.string().max(200)).optional(),
	params: parameters.optional(),
	env: environmentTemplate.optional(),
	defaults: strict({
		runs_on: runsOn.optional(),
		container: container.optional(),
		timeout: duration.optional(),
		idle_timeout: duration.optional(),
		retry: retry.optional(),
		shell: shell.optional(),
		working_directory: workingDirectory.optional(),
	}).optional(),
	source: source.optional(),
	priority: priority.optional(),
	concurrency: runConcurrency.optional(),
	fail_fast: flag.optional(),
};

/** A pipeline with `jobs`; its `timeout` is that of the run. */
export const pipelineOfJobs = strict({ ...head, timeout: duration.optional(), jobs: z.record(z.string(), job) });
/** A pipeline with `steps` at the top: one job called `main`. */
export const pipelineOfSteps = strict({ ...head, ...jobKeys });
/** What is said of a pipeline that has neither. */
export const PIPELINE_KEYS = [...new Set([...Object.keys(head), ...Object.keys(jobKeys), "jobs"])];

export type PipelineOfJobs = z.infer<typeof pipelineOfJobs>;
export type PipelineOfSteps = z.infer<typeof pipelineOfSteps>;
export type JobText = z.infer<typeof job>;
export type StepText = JobText["steps"][number];
export type MatrixText = z.infer<typeof matrix>;
/** The image that a submission may name for every job. */
export const submittedContainer = nonEmpty.refine((value) => value.length <= 400 && IMAGE.test(value), IMAGE_FAULT);
