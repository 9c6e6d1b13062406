import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { Cgroup } from "./cgroup.ts";
import type { AttemptProcesses } from "./processes.ts";
import { type Output, type RunningProcess, startScript } from "./step_process.ts";

/** Where the steps of a job run: on the agent itself, or in a container (container_place.ts). */

/** A step that is to be run. */
export interface StepScript {
	text: string;
	shell: string;
	/** Which of the job's steps it is. */
	number: number;
	/** The folder to run in, in the workspace; null: the workspace itself. */
	workingDirectory: string | null;
	env: Record<string, string>;
}

/** What a step sees of the files that it can write for the agent. */
export interface PlacePaths {
	workspace: string;
	output: string;
	summary: string;
}

export interface StepPlace {
	readonly paths: PlacePaths;
	/**
	 * Starts a step, its output into the log.
	 * @throws NoSuchFolder; Error if the shell is not there
	 */
	start(script: StepScript, output: Output): Promise<RunningProcess>;
	/** Ends one step and everything that it has started. */
	endStep(running: RunningProcess, graceMs: number): Promise<void>;
	/** Ends everything that the steps have started. */
	end(graceMs: number): Promise<void>;
	/** What is to be said of a step that has failed, beside that it has; a fault that is not its own is thrown as JobFault. */
	explainExit(code: number): Promise<string | null>;
}

/** The folder in which a step is to run is not there, or not in the workspace. */
export class NoSuchFolder extends Error {
	override name = "NoSuchFolder";
	constructor(folder: string) {
		super(`The working directory ${folder} does not exist in the workspace.`);
	}
}

/** Where things are in the folder of an attempt. */
export function attemptPaths(folder: string) {
	const files = path.join(folder, "files");
	// What a job can write to, it can replace by a link: what the agent itself writes is kept apart.
	return {
		steps: path.join(folder, "steps"),
		own: path.join(folder, "own"),
		emptyHome: path.join(folder, "home"),
		files,
		output: path.join(files, "output"),
		summary: path.join(files, "summary"),
	};
}

/** The folder in which a step runs. @throws NoSuchFolder */
export async function folderIn(workspace: string, relative: string | null): Promise<string> {
	if (relative === null) return workspace;
	const folder = await innerPath(workspace, relative);
	if (folder !== null && (await stat(folder)).isDirectory()) return folder;
	throw new NoSuchFolder(relative);
}

/**
 * Where something in the workspace really is; null if it is not there, or not in the workspace. A job makes links as it likes, and one in a container must
 * not lead the agent to files of its own.
 */
export async function innerPath(workspace: string, relative: string): Promise<string | null> {
	try {
		const found = await realpath(path.join(workspace, relative));
		return found === workspace || found.startsWith(workspace + path.sep) ? found : null;
	} catch {
		return null;
	}
}

/** Steps as processes of the agent's own machine. */
export class HostPlace implements StepPlace {
	readonly paths: PlacePaths;
	readonly #steps: string;
	readonly #processes: AttemptProcesses;
	readonly #cgroup: Cgroup | null;

	constructor(folder: string, workspace: string, processes: AttemptProcesses) {
		const { steps, output, summary } = attemptPaths(folder);
		this.paths = { workspace, output, summary };
		this.#steps = steps;
		this.#processes = processes;
		this.#cgroup = processes.cgroup;
	}

	async start({ text, shell, number, workingDirectory, env }: StepScript, output: Output): Promise<RunningProcess> {
		const cwd = await folderIn(this.paths.workspace, workingDirectory);
		const file = path.join(this.#steps, String(number));
		const running = await startScript({ text, shell, file, cwd, env, cgroup: this.#cgroup }, output);
		this.#processes.add(running.pid);
		return running;
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
