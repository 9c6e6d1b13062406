import { mkdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { formatDuration } from "../schema/wire/duration.ts";
import { type Assignment, type Commit, commitAnswer } from "../schema/wire/protocol.ts";
import type { Step } from "../schema/wire/resources.ts";
import type { FinishState, Reason, StepState } from "../schema/wire/states.ts";
import { ArtifactsFailed, findArtifacts, type Manifest, uploadArtifacts } from "./artifacts.ts";
import type { Cgroup } from "./cgroup.ts";
import { checkOut } from "./checkout.ts";
import { type Client, untilAnswered } from "./client.ts";
import { jobEnvironment } from "./environment.ts";
import { CheckoutFailed } from "./git.ts";
import type { Job, JobResult, StopReason } from "./job.ts";
import { LogSpool, type Position } from "./log_spool.ts";
import { AttemptProcesses } from "./processes.ts";
import type { SpoolBudget } from "./spool_budget.ts";
import { type RunningProcess, startScript } from "./step_process.ts";
import { unpackSource } from "./unpack.ts";

export interface JobContext {
	assignment: Assignment;
	folder: string;
	/** What the job inherits of the agent's environment. */
	environment: Record<string, string>;
	/** The folder of the agent's mirrors. */
	mirrors: string;
	/** The control group of the attempt, where there are any. */
	cgroup: Cgroup | null;
	client: Client;
	token: string;
	killGraceMs: number;
	budget: SpoolBudget;
	maxLogBytes: number;
}

interface Outcome {
	state: FinishState;
	exitCode: number | null;
	reason: Reason | null;
}

const SUCCESS: Outcome = { state: "succeeded", exitCode: 0, reason: null };

/**
 * Runs the steps of a job in a fresh workspace: check out, the steps until one fails, save the artifacts even then. However it ends,
 * no process of it is left.
 */
export class JobRun implements Job {
	readonly spool: LogSpool;
	readonly #context: JobContext;
	readonly #workspace: string;
	readonly #steps: Step[];
	/** Where each step that has begun begins in the output. */
	readonly #begins: (Position | null)[];
	readonly #processes: AttemptProcesses;
	readonly #stop = new AbortController();
	#stopReason: StopReason | null = null;
	#ending: Promise<void> | null = null;
	/** Called with every change of a step. */
	onSteps: (steps: Step[]) => void = () => undefined;
	/** Whether nothing of the job runs any more. */
	isOver = false;

	private constructor(context: JobContext, workspace: string, spool: LogSpool) {
		this.#context = context;
		this.#workspace = workspace;
		this.spool = spool;
		this.#processes = new AttemptProcesses(context.assignment.attempt_id, context.folder, context.cgroup);
		this.#steps = stepNames(context.assignment).map((name) => ({
			name,
			state: "pending",
			exit_code: null,
			started_at: null,
			finished_at: null,
			log_offset: null,
			log_line: null,
		}));
		this.#begins = this.#steps.map(() => null);
	}

	/** Makes the folders of an attempt. */
	static async prepare(context: JobContext): Promise<JobRun> {
		const workspace = path.join(context.folder, "workspace");
		await mkdir(workspace, { recursive: true, mode: 0o700 });
		await mkdir(path.join(context.folder, "steps"), { mode: 0o700 });
		return new JobRun(
			context,
			await realpath(workspace),
			await LogSpool.create(path.join(context.folder, "log"), context.budget, context.maxLogBytes),
		);
	}

	/** Ends everything that runs now: SIGTERM, the grace, SIGKILL. The first reason counts. */
	stop(reason: StopReason): void {
		if (this.#stopReason !== null || this.isOver) return;
		this.#stopReason = reason;
		this.#stop.abort();
		this.#ending = this.#endAll();
	}

	/** Runs the job to its end. Never throws: what goes wrong is part of the result. */
	async run(): Promise<JobResult> {
		const { assignment } = this.#context;
		const timeout = setTimeout(() => {
			void this.spool.say(`:: the job has reached its timeout of ${formatDuration(assignment.timeout_ms)}`);
			this.stop("timed_out");
		}, assignment.timeout_ms);
		let outcome: Outcome;
		let artifacts: Manifest = [];
		try {
			outcome = await this.#runSteps();
			// What the steps have left running would go on writing to what is saved now.
			if (this.#stopReason === null) await this.#endAll();
			const isSaving = assignment.artifacts.save.length > 0 && this.#stopReason === null;
			if (isSaving) ({ outcome, artifacts } = await this.#saveArtifacts(outcome));
		} catch (error) {
			outcome = {
				state: "errored",
				exitCode: null,
				reason: { code: "agent_failed", text: `The agent failed: ${(error as Error).message}`.slice(0, 2000) },
			};
		}
		clearTimeout(timeout);
		await (this.#ending ?? this.#endAll());
		this.#processes.cgroup?.remove();
		this.isOver = true;
		this.#skipPending();
		await this.spool.endLine();
		await this.spool.seal();
		return { state: outcome.state, exit_code: outcome.exitCode, reason: outcome.reason, artifacts };
	}

	async #runSteps(): Promise<Outcome> {
		const { assignment, cgroup } = this.#context;
		if (!cgroup)
			await this.spool.say(":: this agent has no control group of its own: a process that detaches itself completely may outlive the job");
		let commit: Commit | null = null;
		let position = 0;
		if (assignment.source) {
			const checkedOut = await this.#checkOut(assignment.source);
			if (checkedOut && "state" in checkedOut) return checkedOut;
			commit = checkedOut;
			position = 1;
		}
		const environment = jobEnvironment(this.#context.environment, assignment, this.#workspace, commit);
		for (const step of assignment.steps) {
			const outcome = await this.#runStep(position, step, environment);
			if (outcome.state !== "succeeded") return outcome;
			position += 1;
		}
		return SUCCESS;
	}

	/** Makes the workspace of its source. @returns the commit; null for a source without one */
	async #checkOut(source: NonNullable<Assignment["source"]>): Promise<Commit | Outcome | null> {
		try {
			const commit = "git" in source ? await this.#clone(source) : await this.#unpack(source);
			this.#end(0, "succeeded", 0);
			return commit;
		} catch (error) {
			if (this.#stopReason) return this.#stopped(0);
			if (!(error instanceof CheckoutFailed)) throw error;
			await this.spool.say(`:: ${error.message}`);
			this.#end(0, "failed", null);
			return { state: "errored", exitCode: null, reason: { code: "checkout_failed", text: error.message } };
		}
	}

	async #clone(source: Extract<NonNullable<Assignment["source"]>, { git: string }>): Promise<Commit> {
		await this.#begin(0, `:: check out ${source.git}${source.ref ? ` ${source.ref}` : ""}`);
		const { client, token, assignment, environment, mirrors } = this.#context;
		const commit = await checkOut({
			source,
			workspace: this.#workspace,
			mirrors,
			env: jobEnvironment(environment, { ...assignment, env: {} }, this.#workspace, null),
			cgroup: this.#processes.cgroup,
			spool: this.spool,
			signal: this.#stop.signal,
			onStart: (started) => this.#processes.add(started.pid),
			pin: async (found) => {
				const path = `/api/v1/attempts/${assignment.attempt_id}/commit`;
				const call = () => client.fetch(commitAnswer, { method: "POST", path, token, json: found, signal: this.#stop.signal });
				return (await untilAnswered(call, this.#stop.signal)).sha;
			},
		});
		await this.spool.say(`:: at ${commit.sha.slice(0, 12)} ${commit.message.split("\n", 1)[0]}`);
		return commit;
	}

	async #unpack(source: { upload: string }): Promise<null> {
		await this.#begin(0, `:: unpack the source ${source.upload}`);
		const { client, token, assignment, folder } = this.#context;
		const entries = await unpackSource({
			client,
			attempt: { id: assignment.attempt_id, token },
			workspace: this.#workspace,
			file: path.join(folder, "source"),
			signal: this.#stop.signal,
		});
		await this.spool.say(`:: ${entries} ${entries === 1 ? "entry" : "entries"}`);
		return null;
	}

	async #runStep(position: number, step: Assignment["steps"][number], environment: Record<string, string>): Promise<Outcome> {
		if (this.#stopReason) return this.#stopped(position);
		await this.#begin(position, `:: ${step.name}`);
		const cwd = await this.#folderOf(step.working_directory);
		if (cwd === null)
			return this.#failed(position, {
				code: "no_such_folder",
				text: `The working directory ${step.working_directory} does not exist in the workspace.`,
			});
		let running: RunningProcess;
		try {
			const file = path.join(this.#context.folder, "steps", String(position));
			running = await startScript(
				{ text: step.run, shell: step.shell, file, cwd, env: { ...environment, ...step.env }, cgroup: this.#processes.cgroup },
				this.spool,
			);
		} catch (error) {
			return this.#failed(position, { code: "shell_missing", text: (error as Error).message });
		}
		this.#processes.add(running.pid);
		let isStepTimeOver = false;
		const onStepTimeOver = () => {
			isStepTimeOver = true;
			void this.#processes.end([running.pid], this.#context.killGraceMs);
		};
		const timer = step.timeout_ms === null ? undefined : setTimeout(onStepTimeOver, step.timeout_ms);
		// Stopped while it was being started: the sweep over the groups may have come too early for this one.
		if (this.#stopReason) this.#ending = this.#endAll();
		const code = await running.exited;
		clearTimeout(timer);
		this.#processes.forgetEnded();
		await this.spool.settled();
		if (this.#stopReason) return this.#stopped(position, code);
		if (isStepTimeOver) {
			const reason: Reason = {
				code: "step_timed_out",
				text: `The step ${JSON.stringify(step.name)} ran longer than ${formatDuration(step.timeout_ms ?? 0)}.`,
			};
			await this.spool.say(`:: ${reason.text}`);
			this.#end(position, "timed_out", code);
			return { state: "timed_out", exitCode: code, reason };
		}
		if (code === 0) {
			this.#end(position, "succeeded", 0);
			return SUCCESS;
		}
		await this.spool.say(`:: exit code ${code}`);
		return this.#failed(
			position,
			{ code: "step_failed", text: `The step ${JSON.stringify(step.name)} failed with exit code ${code}.` },
			code,
		);
	}

	/** The folder in which a step runs; null if it is not there, or not in the workspace. */
	async #folderOf(relative: string | null): Promise<string | null> {
		if (relative === null) return this.#workspace;
		try {
			const folder = await realpath(path.join(this.#workspace, relative));
			const isInside = folder === this.#workspace || folder.startsWith(this.#workspace + path.sep);
			return isInside && (await stat(folder)).isDirectory() ? folder : null;
		} catch {
			return null;
		}
	}

	async #saveArtifacts(outcome: Outcome): Promise<{ outcome: Outcome; artifacts: Manifest }> {
		const { assignment, client, token } = this.#context;
		const position = this.#steps.length - 1;
		await this.#begin(position, `:: save artifacts: ${assignment.artifacts.save.join(", ")}`);
		try {
			const { found: files, links } = await findArtifacts(this.#workspace, assignment.artifacts.save);
			for (const link of links) await this.spool.say(`:: not saved: ${link} is a link that leads to no file`);
			if (files.length === 0) await this.spool.say(":: no file matches");
			const upload = { client, attempt: { id: assignment.attempt_id, token }, signal: this.#stop.signal };
			const artifacts = await uploadArtifacts(upload, files);
			for (const file of files) await this.spool.say(`:: saved ${file.path} (${file.size} bytes)`);
			this.#end(position, "succeeded", null);
			return { outcome, artifacts };
		} catch (error) {
			if (this.#stopReason) return { outcome: this.#stopped(position), artifacts: [] };
			const text =
				error instanceof ArtifactsFailed ? error.message : `The artifacts could not be saved: ${(error as Error).message}`.slice(0, 2000);
			await this.spool.say(`:: ${text}`);
			this.#end(position, "failed", null);
			const failed: Outcome = { state: "failed", exitCode: outcome.exitCode, reason: { code: "artifacts_failed", text } };
			return { outcome: outcome.state === "succeeded" ? failed : outcome, artifacts: [] };
		}
	}

	#failed(position: number, reason: Reason, code: number | null = null): Outcome {
		this.#end(position, "failed", code);
		if (code === null) void this.spool.say(`:: ${reason.text}`);
		return { state: "failed", exitCode: code, reason };
	}

	/** The outcome of a job that was ended from outside. */
	#stopped(position: number, code: number | null = null): Outcome {
		const { timeout_ms } = this.#context.assignment;
		switch (this.#stopReason) {
			case "timed_out":
				this.#end(position, "timed_out", code);
				return {
					state: "timed_out",
					exitCode: code,
					reason: { code: "timed_out", text: `The job ran longer than its timeout of ${formatDuration(timeout_ms)}.` },
				};
			case "agent_stopped":
				this.#end(position, "cancelled", code);
				return { state: "errored", exitCode: code, reason: { code: "agent_stopped", text: "The agent was stopped while the job ran." } };
			default:
				this.#end(position, "cancelled", code);
				return { state: "cancelled", exitCode: code, reason: { code: "cancelled", text: "Cancelled." } };
		}
	}

	async #begin(position: number, line: string): Promise<void> {
		const step = this.#steps[position] as Step;
		await this.spool.endLine();
		this.#begins[position] = this.spool.position;
		step.state = "running";
		step.started_at = new Date().toISOString();
		this.onSteps(this.steps);
		await this.spool.say(line);
	}

	#end(position: number, state: StepState, code: number | null): void {
		const step = this.#steps[position] as Step;
		step.state = step.started_at === null ? "skipped" : state;
		step.exit_code = step.started_at === null ? null : code;
		step.finished_at = step.started_at === null ? null : new Date().toISOString();
		this.onSteps(this.steps);
	}

	/** The steps as they are now, with the places at which they begin in the log as it is sent. */
	get steps(): Step[] {
		return this.#steps.map((step, position) => {
			const begin = this.#begins[position];
			const place = begin && this.spool.placeOf(begin);
			return { ...step, log_offset: place?.offset ?? null, log_line: place?.line ?? null };
		});
	}

	#skipPending(): void {
		for (const step of this.#steps) if (step.state === "pending" || step.state === "running") step.state = "skipped";
	}

	async close(): Promise<void> {
		await this.spool.close();
	}

	#endAll(): Promise<void> {
		return this.#processes.endAll(this.#context.killGraceMs);
	}
}

function stepNames({ source, steps, artifacts }: Assignment): string[] {
	return [
		...(source ? ["git" in source ? "check out" : "unpack the source"] : []),
		...steps.map((step) => step.name),
		...(artifacts.save.length > 0 ? ["save artifacts"] : []),
	];
}
