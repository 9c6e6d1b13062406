import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Command } from "commander";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import { readContainerOptions } from "../../agent/options.ts";
import manifest from "../../package.json" with { type: "json" };
import { parseSubmission } from "../../schema/pipeline/parse/submission.ts";
import type { ResolvedPipeline } from "../../schema/pipeline/resolve/resolved.ts";
import { LinePrefixer } from "../../schema/text/lines.ts";
import { exitCodeOf } from "../../schema/wire/run_exit_codes.ts";
import { secretRequest } from "../../schema/wire/secrets.ts";
import type { RunState } from "../../schema/wire/states.ts";
import { LocalCaches } from "../exec/local_caches.ts";
import { isChosen, type LocalJob } from "../exec/local_job.ts";
import { runLocally } from "../exec/local_run.ts";
import { EXIT, RUN_EXIT_CODES } from "../exit_codes.ts";
import { filesOf, type PipelineText, readPipeline } from "../pipeline_file.ts";
import { paint, print, printJson, stateText } from "../terminal.ts";
import { UsageError } from "../usage_error.ts";
import { changedPaths, currentBranch, currentCommit, packWorkingCopy } from "../working_copy.ts";
import { outputOption, PARAMETER, pairs, repeatable, VARIABLE } from "./command.ts";
import { showSubmissionErrors, validationErrorsIn } from "./validation_errors.ts";

interface ExecFlags {
	file?: string;
	param?: string[];
	env?: string[];
	approve?: boolean;
	artifacts?: string;
	allowDevices?: string;
	allowNewPrivileges?: boolean;
	maxProcesses?: string;
	registryCredentials?: string;
	secrets?: string;
	output: string;
}

/** `windlass exec`: runs a pipeline, or one of its jobs, on this machine alone. */
export function execCommand(setExitCode: (code: number) => void): Command {
	return new Command("exec")
		.description(
			"Run a pipeline, or one of its jobs, on this machine without a coordinator. Jobs get a copy of this folder, and the agent's own code runs them.",
		)
		.argument("[job]", "only this job, as if all jobs that it needs had succeeded")
		.option("-f, --file <file>", "the pipeline file; - reads standard input (default: .windlass.yml)")
		.addOption(repeatable(...PARAMETER))
		.addOption(repeatable(...VARIABLE))
		.option("--approve", "run jobs that need an approval")
		.option("--artifacts <folder>", "store the artifacts of the jobs in this folder")
		.option("--allow-devices <list>", "devices (/dev/…) that containers may use, separated by commas")
		.option("--allow-new-privileges", "let programs in containers gain privileges, as sudo does")
		.option("--max-processes <n>", "how many processes and threads a container may have (default: 4096)")
		.option("--registry-credentials <file>", "a YAML file of registry credentials that jobs name")
		.option("--secrets <file>", "a YAML file of secrets, as name: value")
		.addOption(outputOption("text, or json with the end of each job"))
		.addHelpText("after", RUN_EXIT_CODES)
		.addHelpText("after", "\nExample:\n  windlass exec test\n  windlass exec -p target=staging --artifacts /tmp/out")
		.action(async (job: string | undefined, flags: ExecFlags) => setExitCode(await execute(job ?? null, flags)));
}

async function execute(only: string | null, flags: ExecFlags): Promise<number> {
	const pipeline = await parsePipeline(await readPipeline(flags.file), flags);
	const containers = readContainerOptions({
		...(flags.allowDevices !== undefined && { "allow-devices": flags.allowDevices }),
		...(flags.allowNewPrivileges && { "allow-new-privileges": "true" }),
		...(flags.maxProcesses !== undefined && { "max-processes": flags.maxProcesses }),
		...(flags.registryCredentials !== undefined && { "registry-credentials": flags.registryCredentials }),
	});
	assertJob(pipeline, only);
	warnOfRetries(pipeline, only);
	const folder = await mkdtemp(path.join(os.tmpdir(), "windlass-exec-"));
	const stopping = new StopOfExec();
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
			caches: new LocalCaches(cachesFolder(), process.cwd()),
			version: manifest.version,
			secrets: flags.secrets === undefined ? {} : await readSecretsFile(flags.secrets),
			containers,
			approve: flags.approve ?? false,
			signal: stopping.signal,
			onText: (name, bytes) => {
				if (isJson) process.stderr.write(bytes);
				else process.stdout.write(isOne ? bytes : lines.push(Buffer.from(`${paint("cyan", `${name} |`)} `), bytes));
			},
			onEnd: ({ state, definition, reason }) => {
				if (!isJson) print(`${stateText(state)} ${definition.name}${reason ? `: ${reason.text}` : ""}`);
			},
		});
		if (isJson) printJson(jobs.map(jsonOf));
		return stopping.isPipeClosed ? EXIT.closedPipe : runExitCode(jobs);
	} finally {
		stopping.release();
		await rm(folder, { recursive: true, force: true });
	}
}

/** Where this user's programs keep what they can make again (XDG Base Directory Specification). */
function cachesFolder(): string {
	const { XDG_CACHE_HOME: home = "" } = process.env;
	return path.join(path.isAbsolute(home) ? home : path.join(os.homedir(), ".cache"), "windlass", "caches");
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Cancels the jobs on Ctrl-C, on SIGTERM, and when the reader of the output has gone. */
class StopOfExec {
	readonly #controller = new AbortController();
	isPipeClosed = false;
	readonly #onSignal = () => this.#controller.abort();
	readonly #onClosedPipe = () => {
		this.isPipeClosed = true;
		this.#controller.abort();
	};

	constructor() {
		for (const signal of SIGNALS) process.on(signal, this.#onSignal);
		process.stdout.on("error", this.#onClosedPipe);
	}

	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	release(): void {
		for (const signal of SIGNALS) process.off(signal, this.#onSignal);
		process.stdout.off("error", this.#onClosedPipe);
	}
}

/** @throws UsageError for a job that the pipeline does not have */
function assertJob({ jobs }: ResolvedPipeline, only: string | null): void {
	const names = [...new Set(jobs.flatMap(({ key, name }) => [key, name]))];
	if (only !== null && !names.includes(only)) throw new UsageError(`The pipeline has no job ${only}. Its jobs: ${names.join(", ")}`);
}

function warnOfRetries({ jobs }: ResolvedPipeline, only: string | null): void {
	const names = new Set(jobs.filter((job) => job.retry !== null && isChosen(job, only)).map(({ name }) => name));
	if (names.size === 0) return;
	process.stderr.write(`${paint("yellow", "notice")}: windlass exec retries no job and ignores retry of ${[...names].join(", ")}\n`);
}

/** @throws UsageError, which shows no value */
async function readSecretsFile(file: string): Promise<Record<string, string>> {
	let given: unknown;
	try {
		given = parseYaml(await readFile(file, "utf8"));
	} catch (error) {
		throw new UsageError(`--secrets: ${file} is not readable: ${(error as { code?: string }).code ?? "it is not YAML"}`);
	}
	const checked = z.record(z.string(), secretRequest.shape.value).safeParse(given ?? {});
	if (checked.success) return checked.data;
	const [issue] = checked.error.issues;
	throw new UsageError(`--secrets: ${file}: ${issue?.path.join(".")} ${issue?.message}`);
}

async function parsePipeline(written: PipelineText, flags: ExecFlags): Promise<ResolvedPipeline> {
	const branch = await currentBranch(process.cwd());
	const changed = await changedPaths(process.cwd());
	const submission = JSON.stringify({
		pipeline: written.text,
		...filesOf(written),
		params: pairs("--param", flags.param),
		env: pairs("--env", flags.env),
		...(branch ? { branch } : {}),
		...(changed ? { changed } : {}),
	});
	try {
		// The source is the working copy, so the pipeline needs no repository.
		return parseSubmission(submission, { needsRepository: false, sha: await currentCommit(process.cwd()) }).pipeline;
	} catch (error) {
		const errors = validationErrorsIn(error);
		if (errors.length === 0) throw error;
		process.stderr.write(`${showSubmissionErrors(written, submission, errors)}\n`);
		throw new UsageError("No job was run. Fix the errors above.");
	}
}

function jsonOf({ definition, state, reason, exitCode, outputs }: LocalJob): object {
	return { name: definition.name, state, reason, exit_code: exitCode, outputs };
}

function runExitCode(jobs: readonly LocalJob[]): number {
	const counted = jobs.filter(({ definition }) => !definition.allow_failure);
	const failed = counted.filter(({ state }) => state === "failed");
	return exitCodeOf(
		runState(jobs, counted),
		failed.map(({ exitCode }) => exitCode),
	);
}

/**
 * The aggregate state of the jobs. Only a signal or the time limit of the run cancels a job here.
 */
function runState(jobs: readonly LocalJob[], counted: readonly LocalJob[]): RunState {
	const cancelled = jobs.find(({ state }) => state === "cancelled");
	if (cancelled) return cancelled.reason?.code === "run_timed_out" ? "timed_out" : "cancelled";
	const states = ["failed", "timed_out", "errored"] as const;
	return states.find((state) => counted.some((job) => job.state === state)) ?? "succeeded";
}
