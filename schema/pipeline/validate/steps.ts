import * as z from "zod";
import { MAX_STEPS } from "../../wire/limits.ts";
import { credentials } from "./containers.ts";
import {
	buildArguments,
	command,
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

const stepShape = strict({
	name: nonEmptyTemplate.optional().describe("Default: the first line of `run`."),
	run: command.optional().describe("The script. Each step is a process of its own; its background processes live until the steps end."),
	build: build.optional().describe("Builds an image instead of running a script."),
	env: environmentTemplate
		.optional()
		.describe("Variables of this step. They override the variables of the submission, the job and the pipeline."),
	...stepKeys,
	timeout: duration.optional().describe("How long the step may take. Then its processes get SIGTERM, and SIGKILL ten seconds later."),
}).superRefine((step, context) => {
	const add = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
	if (step.run === undefined && step.build === undefined) add("run", "A step needs `run` or `build`.");
	if (step.run !== undefined && step.build !== undefined) add("build", "A step has either `run` or `build`, not both.");
	if (step.build === undefined) return;
	for (const key of ["shell", "working_directory", "env"] as const)
		if (step[key] !== undefined) add(key, `A step that builds an image takes no \`${key}\`.`);
});

/** A step, or its command alone. */
export const step = withShorthand(stepShape, [{ type: "string" }], (value) => (isScalar(value) ? { run: value } : value));
export const stepList = z.array(step).min(1, "`steps` must have at least one step.").max(MAX_STEPS);
export type StepText = z.infer<typeof step>;
