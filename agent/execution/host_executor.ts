import path from "node:path";
import { ConfinedFileError, ConfinedFolder } from "../files/confined_folder.ts";
import type { AttemptProcesses } from "../processes/attempt_processes.ts";
import { CannotStart, WORKSPACE_MISSING } from "../processes/cannot_start.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import { type Output, type RunningProcess, startScript } from "../processes/start_process.ts";

/** Where the steps of a job run: on the agent itself, or in a container (containers/container_executor.ts). */

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
export interface ExecutorPaths {
	workspace: string;
	output: string;
	summary: string;
	/** For what programs keep for the moment; gone after the job. */
	temporary: string;
	/** For what programs keep for their user, where the user has no folder to write to. */
	home: string;
	/** Where git asks for the credentials of the repository (credential_helper.ts). */
	credentials: string;
}

export interface StepExecutor {
	readonly paths: ExecutorPaths;
	/**
	 * Starts a step, its output into the log.
	 * @throws CannotStart
	 */
	start(script: StepScript, output: Output): Promise<RunningProcess>;
	/** Ends one step and everything that it has started. */
	endStep(running: RunningProcess, graceMs: number): Promise<void>;
	/** Ends everything that the steps have started. */
	end(graceMs: number): Promise<void>;
	/** What is to be said of a step that has failed, beside that it has; a fault that is not its own is thrown as JobError. */
	explainExit(code: number): Promise<string | null>;
}

/** The folder in which a step is to run is not there, or not in the workspace. */
export class NoSuchFolder extends CannotStart {
	override name = "NoSuchFolder";
	constructor(folder: string) {
		super("no_such_folder", `The working directory ${folder} does not exist in the workspace.`);
	}
}

/** Where things are in the folder of an attempt. */
export function attemptPaths(folder: string) {
	const files = path.join(folder, "files");
	// What a job can write to, it can replace by a link: what the agent itself writes is kept apart.
	return {
		steps: path.join(folder, "steps"),
		own: path.join(folder, "own"),
		emptyHome: path.join(folder, "empty-home"),
		// A short name: the path of a socket in it has at most 107 bytes (unix(7)).
		temporary: path.join(folder, "t"),
		home: path.join(folder, "home"),
		credentials: path.join(folder, "credentials"),
		files,
		output: path.join(files, "output"),
		summary: path.join(files, "summary"),
	};
}

/**
 * Opens the workspace. It must be closed.
 * @param inside what a job sees of its path
 * @throws CannotStart if a step has removed it
 */
export async function openWorkspace(workspace: string, inside?: string): Promise<ConfinedFolder> {
	try {
		return await ConfinedFolder.open(workspace, inside);
	} catch (error) {
		const { code = "" } = error as NodeJS.ErrnoException;
		if (["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) throw new CannotStart("workspace_missing", WORKSPACE_MISSING);
		throw error;
	}
}

/**
 * Opens the folder in which a step runs. It must be closed.
 * @param relative null: the workspace itself
 * @throws NoSuchFolder
 */
export async function openStepFolder(workspace: ConfinedFolder, relative: string | null): Promise<ConfinedFolder> {
	try {
		return await workspace.folder(relative ?? "");
	} catch (error) {
		if (error instanceof ConfinedFileError) throw new NoSuchFolder(relative ?? ".");
		throw error;
	}
}

/** Steps as processes of the agent's own machine. */
export class HostExecutor implements StepExecutor {
	readonly paths: ExecutorPaths;
	readonly #steps: string;
	readonly #processes: AttemptProcesses;
	readonly #cgroup: Cgroup | null;

	constructor(folder: string, workspace: string, processes: AttemptProcesses) {
		const { steps, output, summary, temporary, home, credentials } = attemptPaths(folder);
		this.paths = { workspace, output, summary, temporary, home, credentials };
		this.#steps = steps;
		this.#processes = processes;
		this.#cgroup = processes.cgroup;
	}

	async start({ text, shell, number, workingDirectory, env }: StepScript, output: Output): Promise<RunningProcess> {
		const workspace = await openWorkspace(this.paths.workspace);
		const folder = await openStepFolder(workspace, workingDirectory).finally(() => workspace.close());
		const file = path.join(this.#steps, String(number));
		try {
			const running = await startScript({ text, shell, file, cwd: folder.place, env, cgroup: this.#cgroup }, output);
			this.#processes.add(running.pid);
			return running;
		} finally {
			await folder.close();
		}
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
