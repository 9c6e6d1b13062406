import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import { readContainerOptions } from "../../agent/options.ts";
import manifest from "../../package.json" with { type: "json" };
import { parseSubmission } from "../../schema/pipeline/validate/parse.ts";
import { LinePrefixer } from "../../schema/text/lines.ts";
import { secretRequest } from "../../schema/wire/secrets.ts";
import { isChosen, type LocalJob, runLocally } from "../exec/local_run.ts";
import { UsageError } from "../failures.ts";
import { readPipeline } from "../pipeline_file.ts";
import { CLOSED_PIPE } from "../standard_output.ts";
import { paint, print, printJson, stateText } from "../terminal.ts";
import { changedPaths, currentBranch, packWorkingCopy } from "../working_copy.ts";
import { outputOption, pairs, several } from "./command.ts";
import { showSubmissionErrors, validationErrorsIn } from "./faults.ts";

interface ExecFlags {
	file?: string;
	param: string[];
	env: string[];
	approve?: boolean;
	artifacts?: string;
	allowDevices?: string;
	allowNewPrivileges?: boolean;
	maxProcesses?: string;
	registryCredentials?: string;
	secrets?: string;
	output: string;
}

/** `windlass exec`: a pipeline, or one of its jobs, on this machine alone. */
export function execCommand(setExitCode: (code: number) => void): Command {
	return new Command("exec")
		.description(
			"Run a pipeline, or one of its jobs, on this machine, without a coordinator: with a copy of this folder, through the agent's own code.",
		)
		.argument("[job]", "only this job, as if all that it needs had succeeded")
		.option("-f, --file <file>", "the pipeline (default: .windlass.yml)")
		.option("-p, --param <name=value>", "a parameter; may be repeated", several, [])
		.option("-e, --env <name=value>", "a variable for every job; may be repeated", several, [])
		.option("--approve", "let every gate pass")
		.option("--artifacts <folder>", "keep what the jobs save in this folder")
		.option("--allow-devices <list>", "devices (/dev/…) that jobs in containers may have, with commas between")
		.option("--allow-new-privileges", "let programs in containers gain rights that who starts them does not have, as sudo does")
		.option("--max-processes <n>", "how many processes and threads a container may have (default: 4096)")
		.option("--registry-credentials <file>", "a YAML file of credentials for registries that jobs use by name")
		.option("--secrets <file>", "a YAML file of secrets: name: value")
		.addOption(outputOption("text, or json of how the jobs ended"))
		.addHelpText("after", "\nExample:\n  windlass exec test\n  windlass exec -p target=staging --artifacts /tmp/out")
		.action(async (job: string | undefined, flags: ExecFlags) => setExitCode(await execute(job ?? null, flags)));
}

async function execute(only: string | null, flags: ExecFlags): Promise<number> {
	const { file, text } = await readPipeline(flags.file);
	const pipeline = await parse(file, text, flags);
	const containers = readContainerOptions({
		...(flags.allowDevices !== undefined && { "allow-devices": flags.allowDevices }),
		...(flags.allowNewPrivileges && { "allow-new-privileges": "true" }),
		...(flags.maxProcesses !== undefined && { "max-processes": flags.maxProcesses }),
		...(flags.registryCredentials !== undefined && { "registry-credentials": flags.registryCredentials }),
	});
	const names = [...new Set(pipeline.jobs.flatMap(({ key, name }) => [key, name]))];
	if (only !== null && !names.includes(only)) throw new UsageError(`there is no job ${only}; jobs here: ${names.join(", ")}`);
	const repeated = pipeline.jobs.filter((job) => job.retry !== null && isChosen(job, only));
	if (repeated.length > 0)
		process.stderr.write(
			`${paint("yellow", "notice")}: nothing is tried again here: retry of ${[...new Set(repeated.map(({ name }) => name))].join(", ")} is passed over\n`,
		);
	const folder = await mkdtemp(path.join(os.tmpdir(), "windlass-exec-"));
	const stopping = new AbortController();
	const onSignal = () => stopping.abort();
	for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
	let isUnread = false;
	const onUnread = () => {
		isUnread = true;
		stopping.abort();
	};
	process.stdout.on("error", onUnread);
	const isJson = flags.output === "json";
	const lines = new LinePrefixer();
	const isOne = pipeline.jobs.length === 1 || only !== null;
	try {
		const jobs = await runLocally({
			pipeline,
			only,
			source: await packWorkingCopy(process.cwd()),
			folder,
			artifacts: path.resolve(flags.artifacts ?? path.join(folder, "artifacts")),
			version: manifest.version,
			secrets: flags.secrets === undefined ? {} : await readSecretsFile(flags.secrets),
			containers,
			approve: flags.approve ?? false,
			signal: stopping.signal,
			onText: (name, text) => {
				if (isJson) process.stderr.write(text);
				else process.stdout.write(isOne ? text : lines.push(Buffer.from(`${paint("cyan", `${name} |`)} `), text));
			},
			onState: (ended) => {
				if (!isJson) print(`${stateText(ended.state)} ${ended.definition.name}${ended.reason ? `: ${ended.reason.text}` : ""}`);
			},
		});
		if (isJson)
			printJson(
				jobs.map(({ definition, state, reason, exitCode, outputs }) => ({
					name: definition.name,
					state,
					reason,
					exit_code: exitCode,
					outputs,
				})),
			);
		return isUnread ? CLOSED_PIPE : exitCodeOf(jobs);
	} finally {
		for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
		process.stdout.off("error", onUnread);
		await rm(folder, { recursive: true, force: true });
	}
}

/** @throws UsageError, which tells no value */
async function readSecretsFile(file: string): Promise<Record<string, string>> {
	let given: unknown;
	try {
		given = parseYaml(await readFile(file, "utf8"));
	} catch (error) {
		throw new UsageError(`--secrets: ${file} cannot be read: ${(error as { code?: string }).code ?? "it is not YAML"}`);
	}
	const checked = z.record(z.string(), secretRequest.shape.value).safeParse(given ?? {});
	if (checked.success) return checked.data;
	const [issue] = checked.error.issues;
	throw new UsageError(`--secrets: ${file}: ${issue?.path.join(".")} ${issue?.message}`);
}

async function parse(file: string, text: string, flags: ExecFlags) {
	const branch = await currentBranch(process.cwd());
	const changed = await changedPaths(process.cwd());
	const submission = JSON.stringify({
		pipeline: text,
		params: pairs("--param", flags.param),
		env: pairs("--env", flags.env),
		...(branch ? { branch } : {}),
		...(changed ? { changed } : {}),
	});
	try {
		// What is run is the working copy as it is.
		return parseSubmission(submission, { needsRepository: false }).pipeline;
	} catch (error) {
		const faults = validationErrorsIn(error);
		if (faults.length === 0) throw error;
		process.stderr.write(`${showSubmissionErrors({ file, text }, submission, faults)}\n`);
		throw new UsageError("nothing was run");
	}
}

/** As a run's: 0, the exit code of the first job that failed, 124 timed out, 125 errored, 130 cancelled. */
function exitCodeOf(jobs: readonly LocalJob[]): number {
	const counted = jobs.filter(({ definition }) => !definition.allow_failure);
	const first = (state: LocalJob["state"]) => counted.find((job) => job.state === state);
	const cancelled = jobs.find(({ state }) => state === "cancelled");
	if (cancelled) return cancelled.reason?.code === "run_timed_out" ? 124 : 130;
	const failed = first("failed");
	if (failed) return failed.exitCode || 1;
	if (first("timed_out")) return 124;
	return first("errored") ? 125 : 0;
}
