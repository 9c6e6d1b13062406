import path from "node:path";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import type { AttemptProcesses } from "../processes/attempt_processes.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import type { Starter } from "../processes/starter.ts";
import { attemptPaths } from "./attempt_paths.ts";
import { type ExecutorPaths, enterWorkspace, openStepFolder, openWorkspace, type StepExecutor, type StepScript } from "./step_executor.ts";
import { startScript } from "./step_shell.ts";

/** Runs steps as processes on the agent's machine. */
export class HostExecutor implements StepExecutor {
	readonly paths: ExecutorPaths;
	readonly #steps: string;
	readonly #processes: AttemptProcesses;
	readonly #cgroup: Cgroup | null;
	/** A shell for the first step; null once a step has started. */
	#starter: Starter | null;

	/** @param starter a shell for the first step; null: each step starts its own process */
	constructor(folder: string, workspace: string, processes: AttemptProcesses, starter: Starter | null) {
		const { steps, output, summary, temporary, home, credentials } = attemptPaths(folder);
		this.paths = { workspace, output, summary, temporary, home, credentials };
		this.#steps = steps;
		this.#processes = processes;
		this.#cgroup = processes.cgroup;
		this.#starter = starter;
	}

	async start({ text, shell, number, workingDirectory, env }: StepScript, output: Output): Promise<RunningProcess> {
		const folder = workingDirectory === null ? enterWorkspace(this.paths.workspace) : await this.#openFolder(workingDirectory);
		const file = path.join(this.#steps, String(number));
		const starter = this.#takeStarter(workingDirectory, env);
		try {
			const cwd = starter === null ? folder.place : this.paths.workspace;
			const running = await startScript({ text, shell, file, cwd, env, cgroup: this.#cgroup, starter }, output);
			this.#processes.add(running.pid);
			return running;
		} finally {
			await folder.close();
		}
	}

	/**
	 * A shell for the first step. It enters the workspace by its path, so nothing of the job may
	 * have run that could replace it.
	 */
	#takeStarter(workingDirectory: string | null, env: Readonly<Record<string, string>>): Starter | null {
		const starter = this.#starter;
		this.#starter = null;
		return starter?.isWaiting && workingDirectory === null && starter.canSet(env) ? starter : null;
	}

	async #openFolder(workingDirectory: string): Promise<ConfinedFolder> {
		const workspace = await openWorkspace(this.paths.workspace);
		return openStepFolder(workspace, workingDirectory).finally(() => workspace.close());
	}

	endStep(running: RunningProcess, graceMs: number): Promise<void> {
		return this.#processes.end([running.pid], graceMs);
	}

	end(graceMs: number): Promise<void> {
		return this.#processes.endAll(graceMs);
	}

	async explainExit(): Promise<null> {
		return null;
	}
}
