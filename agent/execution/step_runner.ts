import { formatDuration } from "../../schema/wire/duration.ts";
import type { StepState } from "../../schema/wire/states.ts";
import { settingsEnvironment } from "../git/credentials.ts";
import { type JobError, type Outcome, SUCCESS } from "../outcome.ts";
import { CannotStart } from "../processes/cannot_start.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import { sleep } from "../sleep.ts";
import { registryEnvironment } from "./containers/registries.ts";
import type { FilledBuild, FilledStep } from "./job_context.ts";
import { type JobResources, registryAccess } from "./job_resources.ts";
import { stoppedOutcome, stoppedStepState } from "./job_stop.ts";
import { STEP_MARKER } from "./step_executor.ts";
import { isUntrusted } from "./untrusted_jobs.ts";

/** What a step gets from the job. */
export interface StepSurroundings {
	/** The variables, without those of the step itself. */
	environment: Record<string, string>;
	/** Folders before those of the PATH. */
	path: readonly string[];
	/** Whether no other step runs meanwhile. */
	isAlone: boolean;
	/** Where its output goes. */
	output: Output;
	writeLine(text: string): Promise<void>;
}

/** The end of a step, for the list of steps and for the job. */
export interface StepEnd {
	state: StepState;
	exitCode: number | null;
	outcome: Outcome;
}

/** Runs single steps of the pipeline, each as often as its `retry` allows. */
export class StepRunner {
	readonly #job: JobResources;
	readonly #credentialSettings: (folder: string) => [string, string][];

	/** @param credentialSettings the git settings of the credentials folder, as a step sees it */
	constructor(job: JobResources, credentialSettings: (folder: string) => [string, string][]) {
		this.#job = job;
		this.#credentialSettings = credentialSettings;
	}

	/** @throws JobError if the agent, not the step, failed */
	async run(position: number, step: FilledStep, surroundings: StepSurroundings): Promise<StepEnd> {
		const { attempts, delay_ms } = step.retry ?? { attempts: 1, delay_ms: 0 };
		for (let attempt = 1; ; attempt += 1) {
			const end = await this.#attempt(position, step, surroundings);
			if (end.state === "succeeded" || attempt >= attempts || this.#job.stop.reason !== null) return end;
			const pause = delay_ms > 0 ? ` in ${formatDuration(delay_ms)}` : "";
			await surroundings.writeLine(`:: attempt ${attempt + 1} of ${attempts} follows${pause}`);
			await sleep(delay_ms, this.#job.stop.signal).catch(() => undefined);
			if (this.#job.stop.reason !== null) return this.#stopped(null);
		}
	}

	async #attempt(position: number, step: FilledStep, surroundings: StepSurroundings): Promise<StepEnd> {
		const { context, spool, stop, processes } = this.#job;
		if (stop.reason) return this.#stopped(null);
		let isTimedOut = false;
		let running: RunningProcess | null = null;
		const onTimeout = () => {
			isTimedOut = true;
			const { killGraceMs } = context;
			void (running ? this.#job.executor.endStep(running, position, killGraceMs) : processes.endAll(killGraceMs));
		};
		const timer = step.timeout_ms === null ? undefined : setTimeout(onTimeout, step.timeout_ms);
		let exitCode = 0;
		let buildError: Outcome | null = null;
		try {
			if (step.build) buildError = await this.#build(step.build, surroundings, () => isTimedOut);
			else {
				running = await this.#start(position, step, surroundings);
				stop.endIfStopped();
				exitCode = await running.exited;
			}
		} catch (error) {
			if (stop.reason) return this.#stopped(null);
			if (!(error instanceof CannotStart)) throw error;
			await surroundings.writeLine(`:: ${error.message}`);
			return failed({ state: "failed", exitCode: null, reason: { code: error.code, text: error.message } });
		} finally {
			clearTimeout(timer);
		}
		processes.forgetEnded();
		await spool.settled();
		if (stop.reason) return this.#stopped(exitCode);
		if (isTimedOut) return this.#timedOut(step, surroundings, exitCode);
		if (buildError) {
			if (buildError.exitCode === null) await surroundings.writeLine(`:: ${buildError.reason?.text}`);
			return failed(buildError);
		}
		return exitCode === 0 ? { state: "succeeded", exitCode: 0, outcome: SUCCESS } : this.#exited(step, surroundings, exitCode);
	}

	#start(position: number, step: FilledStep, { environment, path, isAlone, output }: StepSurroundings): Promise<RunningProcess> {
		const { executor } = this.#job;
		const { run: text, shell, working_directory: workingDirectory } = step;
		const env = { ...environment, ...step.env, [STEP_MARKER]: String(position) };
		const settings = this.#credentialSettings(executor.paths.credentials);
		const git =
			settings.length > 0 ? settingsEnvironment(settings, Number((env as Record<string, string>).GIT_CONFIG_COUNT ?? 0) || 0) : {};
		return executor.start({ text, shell, number: position, workingDirectory, env: { ...env, ...git }, path, isAlone }, output);
	}

	/** @returns null for a build that succeeded or was stopped */
	async #build(build: FilledBuild, { output, writeLine }: StepSurroundings, isTimedOut: () => boolean): Promise<Outcome | null> {
		const { context, workspace, stop, processes, executor } = this.#job;
		const { buildImage } = await import("./containers/image_build.ts");
		return buildImage({
			build,
			// The project's own jobs would trust an image of that name.
			isTagged: !isUntrusted(context.assignment),
			registryEnvironment: await registryEnvironment(registryAccess(this.#job), build.credentials),
			workspace,
			workspaceOfSteps: executor.paths.workspace,
			processes,
			output,
			writeLine,
			isStopping: () => stop.reason !== null || isTimedOut(),
		});
	}

	#stopped(exitCode: number | null): StepEnd {
		const reason = this.#job.stop.reason ?? "cancelled";
		return { state: stoppedStepState(reason), exitCode, outcome: stoppedOutcome(reason, this.#job.context.assignment, exitCode) };
	}

	async #timedOut(step: FilledStep, { writeLine }: StepSurroundings, exitCode: number): Promise<StepEnd> {
		const text = `The step ${JSON.stringify(step.name)} ran longer than its timeout of ${formatDuration(step.timeout_ms ?? 0)}.`;
		await writeLine(`:: ${text}`);
		return { state: "timed_out", exitCode, outcome: { state: "timed_out", exitCode, reason: { code: "step_timed_out", text } } };
	}

	async #exited(step: FilledStep, { writeLine }: StepSurroundings, exitCode: number): Promise<StepEnd> {
		await writeLine(`:: exit code ${exitCode}`);
		const why = await this.#job.executor.explainExit(exitCode);
		const text = `The step ${JSON.stringify(step.name)} failed with exit code ${exitCode}${why ? `: ${why}` : ""}.`;
		return failed({ state: "failed", exitCode, reason: { code: "step_failed", text } });
	}
}

function failed(outcome: Outcome): StepEnd {
	return { state: "failed", exitCode: outcome.exitCode, outcome };
}

/** The end of a step that the agent itself could not run to its end. */
export function failedStep(error: JobError): StepEnd {
	return failed(error.outcome);
}
