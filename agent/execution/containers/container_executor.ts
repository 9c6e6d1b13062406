import { existsSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import { volumeError } from "../../../schema/pipeline/validate/containers.ts";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import type { LogSpool } from "../../log/log_spool.ts";
import { JobError } from "../../outcome.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import { assertFits, shellMissing } from "../../processes/cannot_start.ts";
import { containerCgroup } from "../../processes/container_cgroup.ts";
import { COMMAND_NOT_FOUND, isBySignal } from "../../processes/exit_codes.ts";
import { type Output, type RunningProcess, startProcess } from "../../processes/start_process.ts";
import { UsageMeter, type UsageReading } from "../../processes/usage_meter.ts";
import { sleep } from "../../sleep.ts";
import { attemptPaths } from "../attempt_paths.ts";
import { type ExecutorPaths, openStepFolder, openWorkspace, STEP_MARKER, type StepExecutor, type StepScript } from "../step_executor.ts";
import { shellCommand } from "../step_shell.ts";
import { assertTools } from "./container_tools.ts";
import { assertDaemon, CONTAINER_LEFT, CREATE_MS, docker, dockerEnvironment, lastLine, mustDocker, removeLabelled } from "./docker.ts";
import { endStepsCommand } from "./end_steps.ts";
import { pullImage } from "./pull_image.ts";
import type { RegistryAccess } from "./registries.ts";
import {
	attemptLabel,
	type Container,
	type ContainerLimits,
	containerName,
	containerOptions,
	containerPaths,
	limitOptions,
	mountOptions,
	OWN_FOLDER,
} from "./run_options.ts";
import { Services } from "./services.ts";
import { GIT_SETTINGS, missingShellFile, neededShell, shellFor, stepInput, TRUSTING_GIT_SETTINGS } from "./step_input.ts";
import { WorkspaceOwner } from "./workspace_owner.ts";

export interface ContainerContext {
	assignment: Assignment;
	container: Container;
	/** The folder of the attempt. */
	folder: string;
	/** The folder of the `windlass` command. */
	commands: string;
	workspace: string;
	processes: AttemptProcesses;
	/** The label of all containers and networks of this agent. */
	label: string;
	limits: ContainerLimits;
	registries: RegistryAccess;
	spool: LogSpool;
	signal: AbortSignal;
}

const NOTHING_USED = { cpuMs: 0, read: 0, written: 0 };

/** Docker's client ends at once when its step has ended. */
const CLIENT_GRACE_MS = 1_000;

/** The daemon notices a moment after the step that the container has ended. */
const SETTLING_MS = 500;

/**
 * The first process of a job's container. It waits until it is asked to end. Then it sends SIGTERM
 * to all processes of the steps, and waits for them. After docker's grace period the rest is killed
 * with it.
 */
const KEEPER = `m=1; [ $$ -eq 1 ] || m=2
trap 'kill -TERM -1 2>/dev/null; n=0; while [ $n -lt 3000 ]; do set -- /proc/[0-9]*; [ $# -le $m ] && exit 0; sleep 0.1; n=$((n+1)); done; exit 0' TERM
while :; do sleep 86400 & wait $!; done`;

/**
 * Runs the steps of a job in one container. Each step is a process in it; the services are
 * containers beside it. All of them are labelled with agent and attempt, so that a later process of
 * the agent finds and removes them.
 */
export class ContainerExecutor implements StepExecutor {
	readonly paths: ExecutorPaths;
	readonly #context: ContainerContext;
	readonly #scripts: string;
	readonly #name: string;
	readonly #services: Services;
	readonly #owner: WorkspaceOwner;
	#end: Promise<void> | null = null;
	/** Docker's id of the job's container; null before it is started. */
	#id: string | null = null;
	/** Null before the first reading, and if the container's processes are not on this machine. */
	#meter: UsageMeter | null = null;
	/** The step that was started last. */
	#step: Pick<StepScript, "number" | "shell" | "env"> | null = null;

	private constructor(context: ContainerContext) {
		const { folder, container, assignment, spool, signal, limits } = context;
		const name = containerName(assignment.attempt_id);
		this.#context = context;
		this.#scripts = attemptPaths(folder).steps;
		this.#name = name;
		this.paths = containerPaths(container);
		const labels = this.#labels;
		this.#services = new Services({
			services: assignment.services,
			name,
			labels,
			limits: limitOptions(limits),
			isForHost: false,
			spool,
			signal,
		});
		this.#owner = new WorkspaceOwner({ name, image: container.image, labels, folder, paths: this.paths });
	}

	/**
	 * Pulls missing images, starts the services and the container, and waits until the services are
	 * healthy.
	 * @throws JobError if something cannot be started; then nothing is left
	 */
	static async open(context: ContainerContext): Promise<ContainerExecutor> {
		const executor = new ContainerExecutor(context);
		try {
			await executor.#open();
			return executor;
		} catch (error) {
			await executor.end(0);
			context.signal.throwIfAborted();
			throw error;
		}
	}

	async #open(): Promise<void> {
		const { assignment, container, spool } = this.#context;
		this.#assertAllowed();
		await assertDaemon();
		await this.#shareFolders();
		await writeFile(path.join(this.#scripts, GIT_SETTINGS), TRUSTING_GIT_SETTINGS, { mode: 0o644 });
		for (const image of [container, ...assignment.services]) await pullImage(this.#context, image);
		await this.#services.start();
		await this.#startContainer();
		await this.#owner.give();
		await this.#services.untilHealthy();
		await assertTools(this.#name, container);
		await spool.writeLine(`:: in a container of ${container.image}`);
	}

	/** @throws JobError for a device or a volume that this agent does not allow */
	#assertAllowed(): void {
		const { container, limits } = this.#context;
		const rejected = container.devices.find((device) => !limits.allowDevices.includes(device));
		if (rejected !== undefined) {
			const allowed = limits.allowDevices.join(", ") || "no device";
			throw new JobError("device_rejected", `The job asks for the device ${rejected}; this agent allows ${allowed} (--allow-devices).`);
		}
		for (const volume of container.volumes) {
			const error = volumeError(volume, container.workdir);
			if (error !== null) throw new JobError("volume_rejected", `The volume ${volume} ${error}.`);
		}
	}

	/**
	 * The container's user, whichever it is, must be able to write here. Nobody else reaches the
	 * folders: their parent is the agent's.
	 */
	async #shareFolders(): Promise<void> {
		const { files, output, summary, variables, path: folders, temporary, home } = attemptPaths(this.#context.folder);
		for (const folder of [files, home]) await chmod(folder, 0o777);
		// Programs do not use a temporary folder in which other users may delete files.
		await chmod(temporary, 0o1777);
		for (const file of [output, summary, variables, folders]) await chmod(file, 0o666);
	}

	async #startContainer(): Promise<void> {
		const { assignment, container, workspace, folder, commands, limits, signal } = this.#context;
		const args = [
			"run",
			"--detach",
			...this.#labels,
			...limitOptions(limits),
			"--name",
			this.#name,
			...containerOptions(assignment, container, this.#services.network),
			...mountOptions(folder, workspace, commands, this.paths),
			"--entrypoint",
			"sh",
			container.image,
			"-c",
			KEEPER,
		];
		const text = `A container of ${container.image} cannot be started (it needs a shell, sh)`;
		this.#id = await mustDocker(args, signal, { code: "container_failed", text });
	}

	/** What the container has used, without its services. */
	readUsage(): UsageReading | null {
		const cgroup = this.#meter || this.#id === null ? null : containerCgroup(this.#id);
		// The group is as old as the container, and what the container did before its steps is next to nothing.
		if (cgroup) this.#meter = new UsageMeter({ knownPids: (most) => cgroup.pids.slice(0, most), cgroup }, NOTHING_USED);
		return this.#meter?.read() ?? null;
	}

	async start({ text, shell, number, workingDirectory, env: given, path: folders }: StepScript, output: Output): Promise<RunningProcess> {
		const { workspace, processes } = this.#context;
		const env = { GIT_CONFIG_SYSTEM: `${OWN_FOLDER}/steps/${GIT_SETTINGS}`, ...given };
		assertFits(env);
		const folder = path.posix.join(this.paths.workspace, await this.#resolved(workspace, workingDirectory));
		const script = `${number}.${shellCommand(shellFor(shell)).extension}`;
		await writeFile(path.join(this.#scripts, script), text, { mode: 0o644 });
		this.#step = { number, shell: neededShell(shell), env };
		const input = stepInput({
			number,
			script,
			shell,
			env,
			path: folders,
			folder,
			home: this.paths.home,
			isOtherUser: this.#owner.isOtherUser,
		});
		const running = await startProcess(
			["docker", "exec", "--interactive", this.#name, "sh"],
			{ cwd: "/", env: dockerEnvironment(), cgroup: processes.cgroup, input },
			output,
		);
		processes.add(running.pid);
		return running;
	}

	/**
	 * The path of a folder in the workspace. Only the container opens it, so later changes of the path
	 * lead nowhere outside.
	 */
	async #resolved(workspace: string, relative: string | null): Promise<string> {
		const root = await openWorkspace(workspace, this.paths.workspace);
		try {
			const folder = await openStepFolder(root, relative);
			await folder.close();
			return folder.inside;
		} finally {
			await root.close();
		}
	}

	async endStep(running: RunningProcess, number: number, graceMs: number): Promise<void> {
		await this.#endProcesses(number, graceMs);
		// Docker's client ends with the step. It must not outlive it where the step cannot be ended.
		await this.#context.processes.endMarked(running.pid, [STEP_MARKER, String(number)], CLIENT_GRACE_MS);
	}

	async endSteps(graceMs: number): Promise<void> {
		await this.#endProcesses(null, graceMs);
		await this.#context.processes.endAll(CLIENT_GRACE_MS);
	}

	/** Without the container they have ended. */
	async #endProcesses(number: number | null, graceMs: number): Promise<void> {
		await docker(["exec", this.#name, ...endStepsCommand(number, graceMs)], graceMs + CREATE_MS);
	}

	/** @throws JobError if the container, not the step, failed */
	async explainExit(code: number): Promise<string | null> {
		if (isBySignal(code)) await sleep(SETTLING_MS);
		const state = await docker(["inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}} {{.State.ExitCode}}", this.#name]);
		const [isRunning, isOutOfMemory, exitCode] = state.stdout.trim().split(" ");
		if (state.code !== 0) throw new JobError("container_lost", `Docker no longer knows the job's container: ${lastLine(state)}`);
		if (isOutOfMemory === "true") return "the container ran out of memory";
		if (isRunning !== "true") throw new JobError("container_lost", `The job's container ended while a step ran (exit code ${exitCode}).`);
		return code === COMMAND_NOT_FOUND ? this.#explainMissingShell() : null;
	}

	#explainMissingShell(): string | null {
		const { folder, container } = this.#context;
		if (!this.#step || !existsSync(path.join(attemptPaths(folder).files, missingShellFile(this.#step.number)))) return null;
		const { shell, env } = this.#step;
		return shellMissing(shell, `in the image ${container.image}${env.PATH === undefined ? "" : `, on the PATH ${env.PATH}`}`, env).message;
	}

	/**
	 * Ends the steps, gives the files back to the agent, and removes the container and the services.
	 */
	end(graceMs: number): Promise<void> {
		this.#end ??= this.#remove(graceMs);
		return this.#end;
	}

	async #remove(graceMs: number): Promise<void> {
		const { spool, folder } = this.#context;
		await this.#stop(graceMs);
		const error = await this.#owner.takeBack();
		if (error !== null) await spool.writeLine(`:: the agent cannot take back the files of the workspace: ${error}`);
		if (await removeLabelled(this.#attemptLabel)) return;
		await spool.writeLine(":: Docker could not remove the job's container; its files stay until this agent starts again");
		await writeFile(path.join(folder, CONTAINER_LEFT), "");
	}

	async #stop(graceMs: number): Promise<void> {
		const seconds = Math.ceil(graceMs / 1000);
		await docker(["stop", "--time", String(seconds), this.#name], graceMs + CREATE_MS);
	}

	get #attemptLabel(): string {
		return attemptLabel(this.#context.assignment.attempt_id);
	}

	get #labels(): string[] {
		return ["--label", this.#context.label, "--label", this.#attemptLabel];
	}
}
