import * as z from "zod";
import { MAX_FINALLY_STEPS, MAX_PARALLEL_STEPS, MAX_RETRY_ATTEMPTS, MAX_STEPS } from "../../wire/limits.ts";
import { credentials } from "./containers.ts";
import {
	buildArguments,
	command,
	condition,
	count,
	duration,
	environmentTemplate,
	flag,
	isScalar,
	nonEmpty,
	nonEmptyTemplate,
	oneOrMore,
	strict,
	withShorthand,
	workingDirectory,
} from "./values.ts";

/** The steps of a job: scripts, and builds of images. */

export const SHELLS = ["bash", "sh", "python3", "node"] as const;
const shell = z.enum(SHELLS);

const build = strict({
	context: workingDirectory.optional().describe("The folder that is sent to the build. Default: the workspace."),
	dockerfile: workingDirectory.optional().describe("The Dockerfile. Default: `Dockerfile` in the context."),
	tags: oneOrMore(nonEmptyTemplate, 20).describe("The names of the image, registry included."),
	push: flag.optional().describe("Whether the image is pushed under all of its tags. Default: `false`."),
	cache: oneOrMore(nonEmptyTemplate, 10).optional().describe("Images to take layers from."),
	args: buildArguments.optional().describe("Values for the `ARG` lines of the Dockerfile."),
	target: nonEmpty.optional().describe("The stage of the Dockerfile to build. Default: the last one."),
	credentials: credentials.optional().describe("The agent's registry credentials to pull and push with."),
});

/** The keys of a step that `defaults` can give to every step. */
export const stepKeys = {
	shell: shell
		.optional()
		.describe("`bash` runs as `bash -eo pipefail`, `sh` as `sh -e`. Default: `bash`; in a container bash if the image has it, else sh."),
	working_directory: workingDirectory.optional().describe("A folder inside the workspace. Default: the workspace."),
};

const STEP_ID = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const id = nonEmpty.pipe(
	z
		.string()
		.regex(STEP_ID, "The id of a step has letters, digits, dashes and underscores, at most 63, and does not begin with a digit or a dash."),
);

const retryShape = strict({
	attempts: count(1, MAX_RETRY_ATTEMPTS).describe("How often the step is tried, the first time included."),
	delay: duration.optional().describe("The pause before another attempt. Default: none."),
});
const retry = withShorthand(retryShape, [count(1, MAX_RETRY_ATTEMPTS)], (value) => (isScalar(value) ? { attempts: value } : value));

/** A step that is not a group. */
const plainKeys = {
	name: nonEmptyTemplate.optional().describe("Default: the first line of `run`."),
	id: id.optional().describe("The name of the step in expressions: `steps.<id>.result` and `steps.<id>.outputs.<name>`."),
	if: condition
		.optional()
		.describe(
			"A condition (CEL): if it is false the step is skipped. Without `success()`, `failure()`, `always()` or `cancelled()` in it, the step also needs the steps before it to have succeeded.",
		),
	run: command.optional().describe("The script. Each step is a process of its own; its background processes live until the steps end."),
	build: build.optional().describe("Builds an image instead of running a script."),
	env: environmentTemplate
		.optional()
		.describe("Variables of this step. They override the variables of the submission, the job and the pipeline."),
	...stepKeys,
	timeout: duration.optional().describe("How long the step may take. Then its processes get SIGTERM, and SIGKILL ten seconds later."),
	continue_on_error: flag
		.optional()
		.describe("Whether the job goes on, and can succeed, when this step fails. The step is shown as failed. Default: `false`."),
	retry: retry.optional().describe("Tries a failed step again: the number of attempts, or a map. Default: one attempt."),
};
type PlainStep = z.infer<z.ZodObject<typeof plainKeys>>;

function checkPlainStep(step: PlainStep, context: z.RefinementCtx): void {
	const add = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if (step.run === undefined && step.build === undefined) add("run", "A step needs `run` or `build`.");
	if (step.run !== undefined && step.build !== undefined) add("build", "A step has either `run` or `build`, not both.");
	if (step.build === undefined) return;
	for (const key of ["shell", "working_directory", "env"] as const)
		if (step[key] !== undefined) add(key, `A step that builds an image takes no \`${key}\`.`);
}

/** A command alone is a step. */
const commandAlone = (value: unknown) => (isScalar(value) ? { run: value } : value);
const plainStep = withShorthand(strict(plainKeys).superRefine(checkPlainStep), [{ type: "string" }], commandAlone);
export type StepText = z.infer<typeof plainStep>;

const stepShape = strict({
	...plainKeys,
	parallel: z
		.array(plainStep)
		.min(1, "`parallel` must have at least one step.")
		.max(MAX_PARALLEL_STEPS)
		.optional()
		.describe("Steps that run at the same time, instead of `run`. Each line of their output begins with the name of its step."),
}).superRefine((step, context) => {
	if (step.parallel === undefined) return checkPlainStep(step, context);
	for (const key of Object.keys(step)) {
		if (key === "parallel") continue;
		const message = `A group of \`parallel\` steps takes no \`${key}\`: write it into its steps.`;
		context.addIssue({ code: "custom", path: [key], message });
	}
});

/** A step, its command alone, or a group of steps that run at the same time. */
export const step = withShorthand(stepShape, [{ type: "string" }], commandAlone);
export type StepOrGroup = z.infer<typeof step>;
export const stepList = z.array(step).min(1, "`steps` must have at least one step.").max(MAX_STEPS);

const finallyShape = strict({
	steps: z
		.array(step)
		.min(1, "`finally` must have at least one step.")
		.max(MAX_FINALLY_STEPS)
		.describe("The steps. Each runs, even if one before it failed."),
	timeout: duration.optional().describe("How long they may take together. Default: 5m."),
});
/** The steps that run however a job ends. */
export const finallySteps = withShorthand(finallyShape, [stepList], (value) => (Array.isArray(value) ? { steps: value } : value));

/** A step with its path in the job. */
export interface PlacedStep {
	step: StepText;
	path: string[];
	/** The number of its `parallel` group among the groups of the list; null if it is in none. */
	group: number | null;
}

/** The steps of a list, those of groups included. @param path the path of the list */
export function placedSteps(list: readonly StepOrGroup[], path: readonly string[]): PlacedStep[] {
	return list.flatMap(({ parallel, ...step }, index): PlacedStep[] => {
		const at = [...path, String(index)];
		if (parallel === undefined) return [{ step, path: at, group: null }];
		return parallel.map((one, member) => ({ step: one, path: [...at, "parallel", String(member)], group: index }));
	});
}
