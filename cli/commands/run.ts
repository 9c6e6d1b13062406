import { Command } from "commander";
import { parseSource } from "../../schema/pipeline/syntax/document.ts";
import type { SubmittedRun, UploadedSource } from "../../schema/wire/resources.ts";
import { projectOfClone } from "../clone.ts";
import { Connection, type ConnectionFlags, withConnection } from "../connection.ts";
import { followRun } from "../follow/follow_run.ts";
import { readPipeline } from "../pipeline_file.ts";
import { shellLine } from "../shell_line.ts";
import { paint, print, printJson } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { changedPaths, currentBranch, packWorkingCopy } from "../working_copy.ts";
import { outputOption, pairs, several } from "./command.ts";
import { showSubmissionErrors, validationErrorsIn } from "./validation_errors.ts";

interface RunFlags extends ConnectionFlags {
	file?: string;
	param: string[];
	env: string[];
	label: string[];
	container?: string;
	project?: string;
	priority?: string;
	git?: string;
	ref?: string;
	/** False with --no-source; undefined where nothing is said. */
	source?: string | false;
	detach?: boolean;
	output: string;
}

/** `windlass run`: submit a pipeline or a command, follow it, and end as it ends. */
export function runCommand(setExitCode: (code: number) => void): Command {
	const command = new Command("run")
		.description("Submit a pipeline, or a command, with the working copy as it is; follow it, and end with its exit code.")
		.argument("[command...]", "a command in place of a pipeline, after --: one word is a line for the shell, several are its arguments")
		.option("-f, --file <file>", "the pipeline; - is the standard input (default: .windlass.yml)")
		.option("-p, --param <name=value>", "a parameter; may be repeated", several, [])
		.option("-e, --env <name=value>", "a variable for every job; may be repeated", several, [])
		.option("-l, --label <label>", "a label that the agent must have; may be repeated", several, [])
		.option("--container <image>", "the image to run every job in")
		.option("--project <name>", "the project that the run belongs to (default: the one whose repository this folder is a clone of)")
		.option("--priority <n>", "-100 to 100; higher goes first")
		.option("--git <url>", "a repository to check out, in place of the working copy")
		.option("--ref <ref>", "its branch, tag or commit")
		.option("--source <folder>", "the working copy to send (default: this folder, unless the pipeline names its source)")
		.option("--no-source", "send nothing")
		.option("-d, --detach", "do not follow it")
		.addOption(outputOption("text or json, which implies --detach"))
		.addHelpText(
			"after",
			"\nExample:\n  windlass run                                  # .windlass.yml with this folder, followed to its end\n  windlass run -p target=staging --detach\n  windlass run --no-source -- uname -a\n  windlass run 'make && make test'",
		);
	return withConnection(command).action(async (words: string[], flags: RunFlags) => {
		const connection = new Connection(flags);
		const run = await submit(connection, words, flags);
		if (flags.output === "json") printJson(run);
		else if (flags.detach) print(`${run.url}\n${run.id}`);
		else setExitCode(await followRun(connection, run));
	});
}

async function submit(connection: Connection, words: string[], flags: RunFlags): Promise<SubmittedRun> {
	if (words.length > 0 && flags.file !== undefined)
		throw new UsageError(`--file names a pipeline, and ${words[0]} is a command in place of one; give one of them`);
	const pipeline = words.length > 0 ? null : await readPipeline(flags.file);
	const project = flags.project ?? (await projectHere(connection, flags));
	const submission = JSON.stringify({
		...(pipeline ? { pipeline: pipeline.text } : { run: shellLine(words) }),
		...(flags.param.length > 0 ? { params: pairs("--param", flags.param) } : {}),
		...(flags.env.length > 0 ? { env: pairs("--env", flags.env) } : {}),
		...(flags.label.length > 0 ? { runs_on: flags.label } : {}),
		...(flags.container ? { container: flags.container } : {}),
		...(project === null ? {} : { project }),
		...(flags.priority ? { priority: numberIn(flags.priority) } : {}),
		...(await sourceOf(connection, pipeline?.text ?? null, flags)),
	});
	try {
		const body = { type: "application/json", bytes: submission };
		const run = await connection.json<SubmittedRun>("/api/v1/runs", { method: "POST", body });
		for (const notice of run.notices) process.stderr.write(`${paint("yellow", "notice")}: ${notice}\n`);
		return run;
	} catch (error) {
		const faults = validationErrorsIn(error);
		if (faults.length === 0) throw error;
		process.stderr.write(`${showSubmissionErrors(pipeline, submission, faults)}\n`);
		throw new UsageError("nothing was submitted");
	}
}

/** The project whose repository is sent as it is here. @throws UsageError where there are several */
async function projectHere(connection: Connection, { git, source }: RunFlags): Promise<string | null> {
	if (git !== undefined) return null;
	const project = await projectOfClone(connection, typeof source === "string" ? source : process.cwd());
	if (project !== null)
		process.stderr.write(`windlass: this is a clone of the repository of the project ${project}: the run belongs to it\n`);
	return project;
}

/** What is no number is told as it was written. */
function numberIn(text: string): number | string {
	return Number.isNaN(Number(text)) ? text : Number(text);
}

/** What the workspace is to be made of, and what is known of the working copy. */
async function sourceOf(connection: Connection, pipeline: string | null, flags: RunFlags): Promise<Record<string, unknown>> {
	if (flags.git) return { source: { git: flags.git, ...(flags.ref ? { ref: flags.ref } : {}) } };
	if (flags.ref) throw new UsageError("--ref needs --git");
	if (flags.source === false || (flags.source === undefined && pipeline !== null && namesItsSource(pipeline))) return {};
	const folder = flags.source ?? process.cwd();
	const archive = await packWorkingCopy(folder);
	const body = { type: "application/octet-stream", bytes: archive, length: archive.byteLength };
	const uploaded = await connection.json<UploadedSource>("/api/v1/sources", { method: "PUT", body });
	const branch = await currentBranch(folder);
	const changed = await changedPaths(folder);
	return {
		source: { upload: uploaded.id },
		...(branch === null ? {} : { branch }),
		...(changed === null ? {} : { changed }),
	};
}

function namesItsSource(text: string): boolean {
	try {
		const { value } = parseSource(text);
		return typeof value === "object" && value !== null && "source" in value;
	} catch {
		// The coordinator says what is wrong with it.
		return false;
	}
}
