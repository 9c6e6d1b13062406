import { closeSync, constants, openSync } from "node:fs";
import { ConfinedFileError } from "../files/confined_file_error.ts";
import { ConfinedFolder } from "../files/confined_folder.ts";
import { isLinux, LOOK } from "../files/resolve_path.ts";
import { CannotStart, WORKSPACE_MISSING } from "../processes/cannot_start.ts";
import type { Output, RunningProcess } from "../processes/start_process.ts";
import type { UsageReading } from "../processes/usage_meter.ts";

/**
 * Runs the steps of a job: on the host (host_executor.ts) or in a container
 * (containers/container_executor.ts).
 */
export interface StepExecutor {
	readonly paths: ExecutorPaths;
	/**
	 * Starts a step. Its output goes to `output`.
	 * @throws CannotStart
	 */
	start(script: StepScript, output: Output): Promise<RunningProcess>;
	/** Ends one step, by its position in the job, and every process that it started. */
	endStep(running: RunningProcess, number: number, graceMs: number): Promise<void>;
	/** Ends every process of the job's steps. Others can be started after that. */
	endSteps(graceMs: number): Promise<void>;
	/** Ends all of the job. Nothing can be started after that. */
	end(graceMs: number): Promise<void>;
	/**
	 * Why a step failed, if the executor knows more than its exit code.
	 * @throws JobError if the executor itself failed
	 */
	explainExit(code: number): Promise<string | null>;
	/** What the steps have used so far; null if that cannot be measured. */
	readUsage(): UsageReading | null;
}

export interface StepScript {
	text: string;
	shell: string;
	/** The step's position in the job. */
	number: number;
	/** A folder in the workspace; null: the workspace itself. */
	workingDirectory: string | null;
	env: Record<string, string>;
	/** Folders before those of the PATH, the first one first. */
	path: readonly string[];
	/** Whether no other step runs meanwhile. */
	isAlone: boolean;
}

/** The variable that every process of a step inherits, with the step's position. */
export const STEP_MARKER = "WINDLASS_STEP";

/** The paths of the job's files as a step sees them. */
export interface ExecutorPaths {
	workspace: string;
	/** The folder of the files below. */
	files: string;
	output: string;
	summary: string;
	variables: string;
	path: string;
	/** The folder of the `windlass` command. */
	commands: string;
	/** For temporary files. The agent deletes it after the job. */
	temporary: string;
	/** The home folder of a user who has none that is writable. */
	home: string;
	/** The folder through which git asks for the repository's credentials (credential_helper.ts). */
	credentials: string;
}

/** The working directory of a step does not exist, or is outside the workspace. */
export class NoSuchFolder extends CannotStart {
	override name = "NoSuchFolder";
	constructor(folder: string) {
		super("no_such_folder", `The working directory ${folder} does not exist in the workspace. Create it in an earlier step.`);
	}
}

/**
 * Opens the workspace. The caller closes it.
 * @param inside the workspace's path as the job sees it
 * @throws CannotStart if a step has removed it
 */
export async function openWorkspace(workspace: string, inside?: string): Promise<ConfinedFolder> {
	try {
		return await ConfinedFolder.open(workspace, inside);
	} catch (error) {
		throw missingOr(error);
	}
}

/**
 * Opens the workspace as the working directory of a process. The caller closes it once the process
 * is in it.
 * @throws CannotStart if a step has removed it
 */
export function enterWorkspace(workspace: string): { place: string; close(): void } {
	try {
		const number = openSync(workspace, LOOK | constants.O_DIRECTORY);
		return { place: isLinux ? `/proc/${process.pid}/fd/${number}` : workspace, close: () => closeSync(number) };
	} catch (error) {
		throw missingOr(error);
	}
}

function missingOr(error: unknown): unknown {
	const { code = "" } = error as NodeJS.ErrnoException;
	return ["ENOENT", "ENOTDIR", "ELOOP"].includes(code) ? new CannotStart("workspace_missing", WORKSPACE_MISSING) : error;
}

/**
 * Opens the working directory of a step. The caller closes it.
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
