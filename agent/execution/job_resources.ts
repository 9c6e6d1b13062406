import type { LogSpool } from "../log/log_spool.ts";
import type { Masker } from "../log/masker.ts";
import type { Outcome } from "../outcome.ts";
import type { AttemptProcesses } from "../processes/attempt_processes.ts";
import { attemptPaths } from "./attempt_paths.ts";
import type { RegistryAccess } from "./containers/registries.ts";
import type { JobContext } from "./job_context.ts";
import type { JobSteps } from "./job_steps.ts";
import { type JobStop, stoppedOutcome, stoppedStepState } from "./job_stop.ts";
import type { StepExecutor } from "./step_executor.ts";
import { isUntrusted } from "./untrusted_jobs.ts";

/** What the parts of a running job share. */
export interface JobResources {
	context: JobContext;
	/** The path of the workspace on this machine, without links. */
	workspace: string;
	spool: LogSpool;
	masker: Masker;
	steps: JobSteps;
	processes: AttemptProcesses;
	stop: JobStop;
	/** It changes when the job's container has started. */
	executor: StepExecutor;
}

/** Runs a part of the agent's work as a step of the job. */
export async function runPhase<Value>(job: JobResources, position: number, line: string, body: () => Promise<Value>): Promise<Value> {
	await job.steps.begin([position], line);
	try {
		const value = await body();
		job.steps.end(position, "succeeded", null);
		return value;
	} catch (error) {
		job.steps.end(position, job.stop.reason ? stoppedStepState(job.stop.reason) : "failed", null);
		throw error;
	}
}

/** Ends a step whose job was stopped. @returns the outcome of the job */
export function endStoppedStep(job: JobResources, position: number | null, exitCode: number | null = null): Outcome {
	const reason = job.stop.reason ?? "cancelled";
	if (position !== null) job.steps.end(position, stoppedStepState(reason), exitCode);
	return stoppedOutcome(reason, job.context.assignment, exitCode);
}

/** The registry credentials that the job may use. */
export function registryAccess({ context: { assignment, registryCredentials, folder } }: JobResources): RegistryAccess {
	return { known: registryCredentials, isAnonymous: isUntrusted(assignment), folder: attemptPaths(folder).own };
}
