import { formatDuration } from "../../schema/wire/duration.ts";
import type { Assignment } from "../../schema/wire/protocol.ts";
import type { Outcome } from "../outcome.ts";
import type { AttemptProcesses } from "../processes/attempt_processes.ts";
import type { StopReason } from "../protocol/job.ts";
import type { StepExecutor } from "./step_executor.ts";

/** Ends what a job has started, when it is stopped and when its steps are over. */
export class JobStop {
	readonly #processes: AttemptProcesses;
	readonly #killGraceMs: number;
	readonly #executor: () => StepExecutor;
	readonly #mayContinue: (reason: StopReason) => boolean;
	readonly #controller = new AbortController();
	#reason: StopReason | null = null;
	#ending: Promise<void> | null = null;

	/**
	 * @param executor the executor of the job at this moment
	 * @param mayContinue whether other steps may run after this stop
	 */
	constructor(
		processes: AttemptProcesses,
		killGraceMs: number,
		executor: () => StepExecutor,
		mayContinue: (reason: StopReason) => boolean = () => false,
	) {
		this.#processes = processes;
		this.#killGraceMs = killGraceMs;
		this.#executor = executor;
		this.#mayContinue = mayContinue;
	}

	/** Why the job was stopped; null while it was not. */
	get reason(): StopReason | null {
		return this.#reason;
	}

	/** Aborted when the job is stopped. */
	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	/** Ends everything that runs now: SIGTERM, the grace, SIGKILL. The first reason counts. */
	stop(reason: StopReason): void {
		if (this.#reason !== null) return;
		this.#reason = reason;
		this.#controller.abort();
		this.#ending = this.#endSteps();
	}

	/**
	 * Call it after every start: `stop` may have come too early to end what was just being started.
	 */
	endIfStopped(): void {
		if (this.#reason !== null) this.#ending = this.#endSteps();
	}

	/** Waits until nothing of the job runs. */
	async ended(): Promise<void> {
		await (this.#ending ?? this.endAll());
	}

	/** Ends the steps; and all of the job, if nothing may follow. */
	async #endSteps(): Promise<void> {
		if (this.#reason !== null && this.#mayContinue(this.#reason)) await this.#executor().endSteps(this.#killGraceMs);
		else await this.endAll();
	}

	async endAll(): Promise<void> {
		// Containers first: ending the docker commands before would lose the containers' last output.
		await this.#executor().end(this.#killGraceMs);
		await this.#processes.endAll(this.#killGraceMs);
	}
}

/** The state of a step that ran when its job was stopped. */
export function stoppedStepState(reason: StopReason): "timed_out" | "cancelled" {
	return reason === "timed_out" || reason === "idle_timed_out" ? "timed_out" : "cancelled";
}

/** The outcome of a job that was stopped. */
export function stoppedOutcome(
	reason: StopReason,
	{ timeout_ms, idle_timeout_ms }: Pick<Assignment, "timeout_ms" | "idle_timeout_ms">,
	exitCode: number | null = null,
): Outcome {
	switch (reason) {
		case "timed_out": {
			const text = `The job ran longer than its timeout of ${formatDuration(timeout_ms)}.`;
			return { state: "timed_out", exitCode, reason: { code: "timed_out", text } };
		}
		case "idle_timed_out": {
			const text = `The job wrote nothing for ${formatDuration(idle_timeout_ms ?? 0)}.`;
			return { state: "timed_out", exitCode, reason: { code: "idle_timed_out", text } };
		}
		case "agent_stopped":
			return { state: "errored", exitCode, reason: { code: "agent_stopped", text: "The agent was stopped while the job ran." } };
		default:
			return { state: "cancelled", exitCode, reason: { code: "cancelled", text: "Cancelled." } };
	}
}
