import type { StepFacts } from "../../schema/pipeline/expressions/scope.ts";
import { JobError, type Outcome, SUCCESS } from "../outcome.ts";
import type { Output } from "../processes/start_process.ts";
import type { StopReason } from "../protocol/job.ts";
import type { AssignedStep, FilledStep } from "./job_context.ts";
import type { JobResources } from "./job_resources.ts";
import { PrefixedOutput } from "./prefixed_output.ts";
import type { StepFiles } from "./step_files.ts";
import { failedStep, type StepEnd, type StepRunner } from "./step_runner.ts";

/** A step and its position in the job. */
interface Placed {
	step: AssignedStep;
	position: number;
}

interface Surroundings {
	runner: StepRunner;
	files: StepFiles;
	/** The position of the first step. */
	first: number;
	/** The variables of the job. */
	environment: Record<string, string>;
	/** Where the output of the steps goes. */
	output: Output;
}

/** A step that is to run, with its texts filled in; or why it does not run. */
type Choice = { step: FilledStep } | { isSkipped: true; why: string | null } | { error: JobError };

/**
 * The steps of a job, one after the other. A step without a condition runs if none before it has
 * failed. After a stop only those run whose condition asks for the status; those of `finally` run in
 * any case.
 */
export class StepSequence {
	readonly #job: JobResources;
	readonly #surroundings: Surroundings;
	/** The steps that have ended, by their ids. */
	readonly #facts: Record<string, StepFacts> = {};
	/** How many of the steps before `finally` are over. */
	#done = 0;
	/** The first failure that counts. */
	#failure: Outcome | null = null;
	/** Why the job was stopped; null while it was not. */
	#stopped: StopReason | null = null;

	constructor(job: JobResources, surroundings: Surroundings) {
		this.#job = job;
		this.#surroundings = surroundings;
	}

	/** Runs the steps until the last one, or until the job is stopped. @throws JobError if the agent failed */
	async run(): Promise<Outcome> {
		const { steps } = this.#job.context.assignment;
		while (this.#done < steps.length && this.#job.stop.reason === null) {
			const next = this.#placed(steps, this.#done, this.#surroundings.first);
			await this.#runTogether(next, false);
			this.#done += next.length;
		}
		return this.#failure ?? SUCCESS;
	}

	/** Whether steps are left that may run after a stop. */
	get mayResume(): boolean {
		return this.#job.context.assignment.steps.slice(this.#done).some((step) => step.asks_for_status);
	}

	/** Goes on after a stop, with the steps whose condition asks for the status. */
	async resume(stopped: StopReason): Promise<void> {
		this.#stopped = stopped;
		await this.run();
	}

	/** Runs the steps of `finally`. @returns the outcome of the whole job, if it was not stopped */
	async finish(): Promise<Outcome> {
		const { steps, finally: last } = this.#job.context.assignment;
		const first = this.#surroundings.first + steps.length;
		const failure = this.#failure;
		let ofLast: Outcome | null = null;
		for (let done = 0; last && done < last.steps.length && this.#job.stop.reason === null; ) {
			const next = this.#placed(last.steps, done, first);
			this.#failure = failure;
			await this.#runTogether(next, true);
			if (failure === null) ofLast ??= this.#failure;
			done += next.length;
		}
		this.#failure = failure ?? ofLast;
		return this.#failure ?? SUCCESS;
	}

	/** The steps that begin at an index: one, or all of a group. */
	#placed(steps: readonly AssignedStep[], index: number, first: number): Placed[] {
		const group = steps[index]?.group ?? null;
		const end = group === null ? index + 1 : steps.findIndex((step, at) => at > index && step.group !== group);
		return steps.slice(index, end === -1 ? undefined : end).map((step, at) => ({ step, position: first + index + at }));
	}

	async #runTogether(placed: readonly Placed[], isLast: boolean): Promise<void> {
		const chosen: { placed: Placed; step: FilledStep }[] = [];
		for (const one of placed) {
			const choice = await this.#choose(one.step, isLast);
			if ("step" in choice) chosen.push({ placed: one, step: choice.step });
			else await this.#leaveOut(one, choice);
		}
		if (chosen.length === 0) return;
		const { steps } = this.#job;
		const isAlone = placed.length === 1;
		const names = chosen.map(({ step }) => step.name).join(", ");
		await steps.begin(
			chosen.map(({ placed: { position } }) => position),
			isAlone ? `:: ${names}` : `:: at the same time: ${names}`,
		);
		const ends = await Promise.allSettled(chosen.map(({ placed: one, step }) => this.#run(one, step, isAlone)));
		for (const [index, end] of ends.entries()) {
			const one = chosen[index]?.placed as Placed;
			if (end.status === "fulfilled") await this.#end(one, end.value, isAlone);
			else steps.end(one.position, "failed", null);
		}
		const broken = ends.find((end) => end.status === "rejected");
		if (broken) throw broken.reason;
	}

	async #run({ position }: Placed, step: FilledStep, isAlone: boolean): Promise<StepEnd> {
		const { runner, files, environment, output } = this.#surroundings;
		const { spool, masker } = this.#job;
		const variables = { ...environment, ...files.variables };
		const path = [...files.path, this.#job.executor.paths.commands];
		if (isAlone)
			return runner.run(position, step, { environment: variables, path, isAlone, output, writeLine: (text) => spool.writeLine(text) });
		const own = { ...variables, ...files.makeOwn(position) };
		const prefixed = new PrefixedOutput(`[${shortName(step)}] `, masker.branch(), output);
		const writeLine = (text: string) => prefixed.write(Buffer.from(`${text}\n`));
		try {
			return await runner.run(position, step, { environment: own, path, isAlone, output: prefixed, writeLine });
		} finally {
			await prefixed.end();
		}
	}

	/** Records the end of a step, and takes over what it has written. */
	async #end({ step, position }: Placed, end: StepEnd, isAlone: boolean): Promise<void> {
		const { steps, spool, stop } = this.#job;
		let { state, exitCode, outcome } = end;
		let outputs: Record<string, string> = {};
		if (stop.reason === null) {
			try {
				outputs = await this.#surroundings.files.take(isAlone ? null : position, step.id !== null);
			} catch (error) {
				if (!(error instanceof JobError)) throw error;
				await spool.writeLine(`:: ${error.message}`);
				if (state === "succeeded") ({ state, exitCode, outcome } = failedStep(error));
			}
		}
		steps.end(position, state, exitCode);
		this.#record(step, state, outputs);
		if (state === "succeeded" || stop.reason !== null) return;
		if (step.continue_on_error) await spool.writeLine(`:: the job goes on: ${step.name} may fail (continue_on_error)`);
		else this.#failure ??= outcome;
	}

	async #leaveOut({ step, position }: Placed, choice: Exclude<Choice, { step: FilledStep }>): Promise<void> {
		const { steps, spool } = this.#job;
		if ("error" in choice) {
			await steps.begin([position], `:: ${step.name}`);
			await spool.writeLine(`:: ${choice.error.message}`);
			steps.end(position, "failed", null);
			this.#record(step, "failed", {});
			if (!step.continue_on_error) this.#failure ??= choice.error.outcome;
			return;
		}
		if (choice.why !== null) await spool.writeLine(`:: skip ${step.name}: ${choice.why}`);
		steps.end(position, "skipped", null);
		this.#record(step, "skipped", {});
	}

	#record({ id }: AssignedStep, result: string, outputs: Record<string, string>): void {
		if (id !== null) this.#facts[id] = { result, outputs };
	}

	/** Whether a step runs. @param isLast whether it is one of `finally` */
	async #choose(step: AssignedStep, isLast: boolean): Promise<Choice> {
		const mayRun = isLast || step.asks_for_status || (this.#failure === null && this.#stopped === null);
		if (!mayRun) return { isSkipped: true, why: null };
		if (step.condition === null && !hasTemplates(step)) return { step: step as FilledStep };
		// The interpreter of expressions is large, and most jobs do not need it.
		const { chooseStep } = await import("../../schema/pipeline/runtime/steps.ts");
		const { values } = this.#job.context.assignment;
		if (values === null) throw new JobError("agent_failed", "The assignment has no values for the expressions of its steps.");
		const choice = chooseStep(step, { values, steps: this.#facts, status: this.#status });
		return "problem" in choice ? { error: new JobError("config_invalid", choice.problem, "failed") } : choice;
	}

	get #status() {
		const stopped = this.#stopped;
		const hasFailed = this.#failure !== null || (stopped !== null && stopped !== "cancelled");
		return { success: this.#failure === null && stopped === null, failure: hasFailed, cancelled: stopped === "cancelled" };
	}
}

const MAX_PREFIX = 20;

/** The name of a step before each line of its output. */
function shortName({ id, name }: FilledStep): string {
	const whole = id ?? name;
	return whole.length > MAX_PREFIX ? `${whole.slice(0, MAX_PREFIX - 1)}…` : whole;
}

function hasTemplates({ env, build }: AssignedStep): boolean {
	const texts = [...Object.values(env), ...(build ? [...build.tags, ...build.cache, ...Object.values(build.args)] : [])];
	return texts.some((text) => typeof text !== "string");
}
