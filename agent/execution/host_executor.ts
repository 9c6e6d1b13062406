import { accessSync, constants } from "node:fs";
import type { ConfinedFolder } from "../files/confined_folder.ts";
import type { AttemptProcesses } from "../processes/attempt_processes.ts";
import { DEFAULT_PATH } from "../processes/cannot_start.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import type { Starter } from "../processes/starter.ts";
import { UsageMeter, type UsageReading } from "../processes/usage_meter.ts";
import { attemptPaths } from "./attempt_paths.ts";
import {
	type ExecutorPaths,
	enterWorkspace,
	openStepFolder,
	openWorkspace,
	STEP_MARKER,
	type StepExecutor,
	type StepScript,
} from "./step_executor.ts";
import { startScript } from "./step_shell.ts";

function canEnter(folder: string): boolean {
	try {
		accessSync(folder, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}

/** Runs steps as processes on the agent's machine. */
export class HostExecutor implements StepExecutor {
	readonly paths: ExecutorPaths;
	readonly #steps: string;
	readonly #processes: AttemptProcesses;
	readonly #cgroup: Cgroup | null;
	readonly #starter: Starter | null;
	readonly #meter: UsageMeter;

	/** @param starter a shell that starts steps; null: each step starts its own process */
	constructor(folder: string, workspace: string, commands: string, processes: AttemptProcesses, starter: Starter | null) {
		const { steps, files, output, summary, variables, path, temporary, home, credentials } = attemptPaths(folder);
		this.paths = { workspace, files, output, summary, variables, path, commands, temporary, home, credentials };
		this.#steps = steps;
		this.#processes = processes;
		this.#cgroup = processes.cgroup;
		this.#starter = starter;
		this.#meter = new UsageMeter(processes);
	}

	readUsage(): UsageReading {
		return this.#meter.read();
	}

	async start({ text, shell, number, workingDirectory, env: given, path, isAlone }: StepScript, output: Output): Promise<RunningProcess> {
		// An empty entry would be the working directory.
		const env = { ...given, PATH: [...path, given.PATH ?? DEFAULT_PATH].filter((folder) => folder !== "").join(":") };
		const folder = workingDirectory === null ? enterWorkspace(this.paths.workspace) : await this.#openFolder(workingDirectory);
		const file = `${this.#steps}/${number}`;
		const starter = isAlone ? this.#freeStarter(folder.place, env) : null;
		try {
			const running = await startScript({ text, shell, file, cwd: folder.place, env, cgroup: this.#cgroup, starter }, output);
			this.#processes.add(running.pid);
			const close = () => void folder.close();
			if (starter) running.exited.then(close, close);
			else close();
			return running;
		} catch (error) {
			await folder.close();
			throw error;
		}
	}

	/**
	 * The starter, if it can start a step. Its steps share a process group, so nothing may run that
	 * an earlier step has left in the background.
	 */
	#freeStarter(folder: string, env: Readonly<Record<string, string>>): Starter | null {
		const starter = this.#starter;
		return starter?.isWaiting && starter.canSet(env) && canEnter(folder) && starter.cgroup.pids.length === 0 ? starter : null;
	}

	async #openFolder(workingDirectory: string): Promise<ConfinedFolder> {
		const workspace = await openWorkspace(this.paths.workspace);
		return openStepFolder(workspace, workingDirectory).finally(() => workspace.close());
	}

	endStep(running: RunningProcess, number: number, graceMs: number): Promise<void> {
		// A step that the starter runs began when nothing else of the job ran.
		if (running.pid === this.#starter?.pid) return this.#processes.end([running.pid], graceMs);
		return this.#processes.endMarked(running.pid, [STEP_MARKER, String(number)], graceMs);
	}

	endSteps(graceMs: number): Promise<void> {
		return this.#processes.endAll(graceMs);
	}

	end(graceMs: number): Promise<void> {
		return this.#processes.endAll(graceMs);
	}

	async explainExit(): Promise<null> {
		return null;
	}
}
