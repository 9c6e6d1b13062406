import { Command } from "commander";
import { parseSource } from "../../schema/pipeline/syntax/document.ts";
import type { PlannedRun, SubmittedRun, UploadedSource } from "../../schema/wire/resources.ts";
import { projectOfClone } from "../clone.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { RUN_EXIT_CODES } from "../exit_codes.ts";
import { filesOf, readPipeline } from "../pipeline_file.ts";
import { shellLine } from "../shell_line.ts";
import { paint, print, printJson } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { changedPaths, currentBranch, packWorkingCopy } from "../working_copy.ts";
import { outputOption, PARAMETER, pairs, repeatable, VARIABLE } from "./command.ts";
import { planText } from "./plan_text.ts";
import { DETACH, printOrFollow } from "./submitted_run.ts";
import { showSubmissionErrors, validationErrorsIn } from "./validation_errors.ts";

/** What a submission is made of. */
export interface SubmissionFlags extends ConnectionFlags {
	file?: string;
	param?: string[];
	env?: string[];
	label?: string[];
	container?: string;
	project?: string;
	priority?: string;
	git?: string;
	ref?: string;
	/** False with --no-source; undefined without either option. */
	source?: string | false;
	job?: string[];
	dryRun?: boolean;
}

interface RunFlags extends SubmissionFlags {
	detach?: boolean;
	output: string;
}

/**
 * `windlass run`: submits a pipeline or a command, follows the run, and ends with its exit code.
 */
export function runCommand(setExitCode: (code: number) => void): Command {
	const command = new Command("run")
		.description("Submit a pipeline or a command with the working copy as it is, follow the run, and end with its exit code.")
		.argument(
			"[command...]",
			"a command instead of a pipeline, after --: one word is a line for the shell, several words are a command with arguments",
		)
		.option("-f, --file <file>", "the pipeline file; - reads standard input (default: .windlass.yml)")
		.addOption(repeatable(...PARAMETER))
		.addOption(repeatable(...VARIABLE))
		.addOption(repeatable("-l, --label <label>", "a label that the agent must have"))
		.option("--container <image>", "the image of the container that every job runs in")
		.option("--project <name>", "the project of the run (default: the project whose repository this folder is a clone of)")
		.option("--priority <n>", "-100 to 100; jobs with a higher priority start first")
		.option("--git <url>", "a repository to check out instead of the working copy")
		.option("--ref <ref>", "the branch, tag or commit of --git")
		.option("--source <folder>", "the working copy to send (default: this folder, unless the pipeline names a source)")
		.option("--no-source", "send no working copy")
		.addOption(repeatable("--job <key>", "only this job, and the jobs that it needs"))
		.option("--dry-run", "say what would run and on which agents, and what is missing; submit nothing")
		.option(...DETACH)
		.addOption(outputOption("text or json; json implies --detach"))
		.addHelpText("after", RUN_EXIT_CODES)
		.addHelpText(
			"after",
			"\nExample:\n  windlass run                 # the pipeline of this folder, followed to its end\n  windlass run -p target=staging --detach\n  windlass run --job test      # one job, and what it needs\n  windlass run --dry-run       # what would happen\n  windlass run --no-source -- uname -a\n  windlass run 'make && make test'",
		);
	return withConnection(command).action(async (words: string[], flags: RunFlags) => {
		const connection = new Connection(flags);
		if (flags.dryRun) {
			const plan = await dryRun(connection, words, flags);
			return flags.output === "json" ? printJson(plan) : print(planText(plan));
		}
		const run = await submitted<SubmittedRun>(connection, words, flags);
		for (const notice of run.notices) process.stderr.write(`${paint("yellow", "notice")}: ${notice}\n`);
		await printOrFollow(connection, run, flags, setExitCode);
	});
}

/** What a submission with these options would do. */
export async function dryRun(connection: Connection, words: string[], flags: SubmissionFlags): Promise<PlannedRun> {
	return submitted<PlannedRun>(connection, words, { ...flags, dryRun: true });
}

async function submitted<Answer>(connection: Connection, words: string[], flags: SubmissionFlags): Promise<Answer> {
	if (words.length > 0 && flags.file !== undefined)
		throw new UsageError(`--file names a pipeline, and "${words[0]}" is a command. Use one of them.`);
	const pipeline = words.length > 0 ? null : await readPipeline(flags.file);
	const project = flags.project ?? (await projectHere(connection, flags));
	const submission = JSON.stringify({
		...(pipeline ? { pipeline: pipeline.text, ...filesOf(pipeline) } : { run: shellLine(words) }),
		...(flags.param ? { params: pairs("--param", flags.param) } : {}),
		...(flags.env ? { env: pairs("--env", flags.env) } : {}),
		...(flags.label ? { runs_on: flags.label } : {}),
		...(flags.container ? { container: flags.container } : {}),
		...(project === null ? {} : { project }),
		...(flags.priority ? { priority: numberIn(flags.priority) } : {}),
		...(flags.job ? { jobs: flags.job } : {}),
		...(await sourceOf(connection, pipeline?.text ?? null, flags)),
	});
	try {
		const body = { type: "application/json", bytes: submission };
		return await connection.json<Answer>(`/api/v1/runs${flags.dryRun ? "?dry_run=1" : ""}`, { method: "POST", body });
	} catch (error) {
		const errors = validationErrorsIn(error);
		if (errors.length === 0) throw error;
		process.stderr.write(`${showSubmissionErrors(pipeline, submission, errors)}\n`);
		throw new UsageError("The run was not submitted. Fix the errors above.");
	}
}

/**
 * The project whose repository the sent folder is a clone of.
 * @throws UsageError for several projects
 */
async function projectHere(connection: Connection, { git, source }: SubmissionFlags): Promise<string | null> {
	if (git !== undefined) return null;
	const project = await projectOfClone(connection, typeof source === "string" ? source : process.cwd());
	if (project !== null)
		process.stderr.write(`windlass: This folder is a clone of the repository of project ${project}. The run belongs to that project.\n`);
	return project;
}

/** A text that is no number is sent as it is: the coordinator's error shows it. */
function numberIn(text: string): number | string {
	return Number.isNaN(Number(text)) ? text : Number(text);
}

/** The source of the run, with the branch and the changed paths of a working copy. */
async function sourceOf(connection: Connection, pipeline: string | null, flags: SubmissionFlags): Promise<Record<string, unknown>> {
	if (flags.git) return { source: { git: flags.git, ...(flags.ref ? { ref: flags.ref } : {}) } };
	if (flags.ref) throw new UsageError("--ref needs --git. Name the repository of the ref.");
	if (flags.source === false || (flags.source === undefined && pipeline !== null && namesSource(pipeline))) return {};
	const folder = flags.source ?? process.cwd();
	const source = flags.dryRun ? {} : { source: { upload: await uploadedCopy(connection, folder) } };
	const branch = await currentBranch(folder);
	const changed = await changedPaths(folder);
	return {
		...source,
		...(branch === null ? {} : { branch }),
		...(changed === null ? {} : { changed }),
	};
}

/** Sends the working copy. @returns the id of the upload */
async function uploadedCopy(connection: Connection, folder: string): Promise<string> {
	const archive = await packWorkingCopy(folder);
	const body = { type: "application/octet-stream", bytes: archive, length: archive.byteLength };
	return (await connection.json<UploadedSource>("/api/v1/sources", { method: "PUT", body })).id;
}

function namesSource(text: string): boolean {
	try {
		const { value } = parseSource(text);
		return typeof value === "object" && value !== null && "source" in value;
	} catch {
		// The coordinator reports the error.
		return false;
	}
}
