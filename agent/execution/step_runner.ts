import { formatDuration } from "../../schema/wire/duration.ts";
import type { Reason } from "../../schema/wire/states.ts";
import { settingsEnvironment } from "../git/credentials.ts";
import { JobError, type Outcome, SUCCESS } from "../outcome.ts";
import { CannotStart } from "../processes/cannot_start.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import { registryEnvironment } from "./containers/registries.ts";
import type { AssignedStep } from "./job_context.ts";
import { endStoppedStep, type JobResources, registryAccess } from "./job_resources.ts";
import { isUntrusted } from "./untrusted_jobs.ts";

/** Runs the steps of the pipeline, one at a time. */
export class StepRunner {
	readonly #job: JobResources;
	readonly #credentialSettings: (folder: string) => [string, string][];
	readonly #output: Output;

	/**
	 * @param credentialSettings the git settings of the credentials folder, as a step sees it
	 * @param output where the steps' output goes
	 */
	constructor(job: JobResources, credentialSettings: (folder: string) => [string, string][], output: Output) {
		this.#job = job;
		this.#credentialSettings = credentialSettings;
		this.#output = output;
	}

	/** @throws JobError if the agent, not the step, failed */
	async run(position: number, step: AssignedStep, environment: Record<string, string>): Promise<Outcome> {
		const { context, steps, spool, stop, processes } = this.#job;
		if (stop.reason) return endStoppedStep(this.#job, position);
		await steps.begin(position, `:: ${step.name}`);
		let isTimedOut = false;
		let running: RunningProcess | null = null;
		const onTimeout = () => {
			isTimedOut = true;
			const { killGraceMs } = context;
			void (running ? this.#job.executor.endStep(running, killGraceMs) : processes.endAll(killGraceMs));
		};
		const timer = step.timeout_ms === null ? undefined : setTimeout(onTimeout, step.timeout_ms);
		let exitCode = 0;
		let buildError: Outcome | null = null;
		try {
			if (step.build) buildError = await this.#build(step.build, () => isTimedOut);
			else {
				running = await this.#start(position, step, environment);
				stop.endIfStopped();
				exitCode = await running.exited;
			}
		} catch (error) {
			if (stop.reason) return endStoppedStep(this.#job, position);
			if (error instanceof CannotStart) return this.#failed(position, { code: error.code, text: error.message });
			if (error instanceof JobError) steps.end(position, "failed", null);
			throw error;
		} finally {
			clearTimeout(timer);
		}
		processes.forgetEnded();
		await spool.settled();
		if (stop.reason) return endStoppedStep(this.#job, position, exitCode);
		if (isTimedOut) return this.#timedOut(position, step, exitCode);
		if (buildError) return this.#failed(position, buildError.reason as Reason, buildError.exitCode);
		if (exitCode !== 0) return this.#exited(position, step, exitCode);
		steps.end(position, "succeeded", 0);
		return SUCCESS;
	}

	#start(position: number, step: AssignedStep, environment: Record<string, string>): Promise<RunningProcess> {
		const { executor } = this.#job;
		const { run: text, shell, working_directory: workingDirectory } = step;
		const env = { ...environment, ...step.env };
		const settings = this.#credentialSettings(executor.paths.credentials);
		const git = settings.length > 0 ? settingsEnvironment(settings, Number(env.GIT_CONFIG_COUNT ?? 0) || 0) : {};
		return executor.start({ text, shell, number: position, workingDirectory, env: { ...env, ...git } }, this.#output);
	}

	/** @returns null for a build that succeeded or was stopped */
	async #build(build: NonNullable<AssignedStep["build"]>, isTimedOut: () => boolean): Promise<Outcome | null> {
		const { context, workspace, spool, stop, processes, executor } = this.#job;
		const { buildImage } = await import("./containers/image_build.ts");
		return buildImage({
			build,
			// The project's own jobs would trust an image of that name.
			isTagged: !isUntrusted(context.assignment),
			registryEnvironment: await registryEnvironment(registryAccess(this.#job), build.credentials),
			workspace,
			workspaceOfSteps: executor.paths.workspace,
			processes,
			output: this.#output,
			writeLine: (text) => spool.writeLine(text),
			isStopping: () => stop.reason !== null || isTimedOut(),
		});
	}

	async #timedOut(position: number, step: AssignedStep, exitCode: number): Promise<Outcome> {
		const text = `The step ${JSON.stringify(step.name)} ran longer than its timeout of ${formatDuration(step.timeout_ms ?? 0)}.`;
		await this.#job.spool.writeLine(`:: ${text}`);
		this.#job.steps.end(position, "timed_out", exitCode);
		return { state: "timed_out", exitCode, reason: { code: "step_timed_out", text } };
	}

	async #exited(position: number, step: AssignedStep, exitCode: number): Promise<Outcome> {
		await this.#job.spool.writeLine(`:: exit code ${exitCode}`);
		let why: string | null;
		try {
			why = await this.#job.executor.explainExit(exitCode);
		} catch (error) {
			this.#job.steps.end(position, "failed", exitCode);
			throw error;
		}
		const text = `The step ${JSON.stringify(step.name)} failed with exit code ${exitCode}${why ? `: ${why}` : ""}.`;
		return this.#failed(position, { code: "step_failed", text }, exitCode);
	}

	#failed(position: number, reason: Reason, exitCode: number | null = null): Outcome {
		this.#job.steps.end(position, "failed", exitCode);
		if (exitCode === null) void this.#job.spool.writeLine(`:: ${reason.text}`);
		return { state: "failed", exitCode, reason };
	}
}
