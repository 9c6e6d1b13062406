import { existsSync } from "node:fs";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import { attemptPaths } from "../attempt_paths.ts";
import type { ExecutorPaths } from "../step_executor.ts";
import { isUntrusted, withoutVolumeName } from "../untrusted_jobs.ts";
import { WORKSPACE_LABEL } from "./docker.ts";

export type Container = NonNullable<Assignment["container"]>;

/** What the agent's options let jobs in containers use of its machine. */
export interface ContainerLimits {
	/** Devices that jobs may ask for. */
	allowDevices: readonly string[];
	/** Whether a program may gain privileges that its parent process does not have, as `sudo` does. */
	allowNewPrivileges: boolean;
	/** How many processes and threads a container may have. */
	maxProcesses: number;
}

/** The name of the job's container. Its network has it, too, and names of services begin with it. */
export function containerName(attemptId: string): string {
	return `windlass-${attemptId}`;
}

/** The label of all containers and networks of an attempt. */
export function attemptLabel(attemptId: string): string {
	return `windlass.attempt=${attemptId}`;
}

/** The agent's own folder in a container. */
export const OWN_FOLDER = "/windlass";
const WORKSPACE = "/workspace";

/** The paths of the job's files in the container. */
export function containerPaths({ workdir }: Container): ExecutorPaths {
	return {
		workspace: workdir ?? WORKSPACE,
		files: `${OWN_FOLDER}/files`,
		output: `${OWN_FOLDER}/files/output`,
		summary: `${OWN_FOLDER}/files/summary`,
		variables: `${OWN_FOLDER}/files/env`,
		path: `${OWN_FOLDER}/files/path`,
		commands: `${OWN_FOLDER}/bin`,
		temporary: `${OWN_FOLDER}/tmp`,
		home: `${OWN_FOLDER}/home`,
		credentials: `${OWN_FOLDER}/credentials`,
	};
}

/** The options that every container of a job gets. */
export function limitOptions({ allowNewPrivileges, maxProcesses }: ContainerLimits): string[] {
	return [...(allowNewPrivileges ? [] : ["--security-opt", "no-new-privileges"]), "--pids-limit", String(maxProcesses)];
}

/** @param network the network of the services; null if there are none */
export function containerOptions(assignment: Pick<Assignment, "source">, container: Container, network: string | null): string[] {
	const { memory, cpus, shm_size, read_only, init, network: asked } = container.options;
	return [
		...(memory === undefined ? [] : ["--memory", memory]),
		...(cpus === undefined ? [] : ["--cpus", cpus]),
		...(shm_size === undefined ? [] : ["--shm-size", shm_size]),
		...(read_only ? ["--read-only"] : []),
		...(init ? ["--init"] : []),
		...(network !== null ? ["--network", network] : asked === "none" ? ["--network", "none"] : []),
		...(container.user === null ? [] : ["--user", container.user]),
		...container.volumes.flatMap((volume) => ["--volume", isUntrusted(assignment) ? withoutVolumeName(volume) : volume]),
		...container.devices.flatMap((device) => ["--device", device]),
	];
}

/**
 * The options that mount the job's files.
 * @param folder the folder of the attempt
 * @param commands the folder of the `windlass` command
 */
export function mountOptions(folder: string, workspace: string, commands: string, paths: ExecutorPaths): string[] {
	const { steps, files, temporary, home, credentials } = attemptPaths(folder);
	const mounts = [
		`${workspace}:${paths.workspace}`,
		`${steps}:${OWN_FOLDER}/steps:ro`,
		`${files}:${OWN_FOLDER}/files`,
		`${commands}:${paths.commands}:ro`,
		`${temporary}:${paths.temporary}`,
		`${home}:${paths.home}`,
		...(existsSync(credentials) ? [`${credentials}:${paths.credentials}`] : []),
	];
	return [
		...mounts.flatMap((mount) => ["--volume", mount]),
		"--label",
		`${WORKSPACE_LABEL}=${paths.workspace}`,
		"--workdir",
		paths.workspace,
	];
}
