import { existsSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import path from "node:path";
import { volumeError } from "../../../schema/pipeline/validate/containers.ts";
import { isHeededByDocker } from "../../../schema/pipeline/validate/values.ts";
import { formatDuration } from "../../../schema/wire/duration.ts";
import type { Assignment } from "../../../schema/wire/protocol.ts";
import type { LogSpool } from "../../log/log_spool.ts";
import { JobError } from "../../outcome.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import { assertFits, shellMissing } from "../../processes/cannot_start.ts";
import { COMMAND_NOT_FOUND, isBySignal } from "../../processes/exit_codes.ts";
import { quoted } from "../../processes/shell_quoting.ts";
import { type Output, type RunningProcess, shellCommand, startProcess } from "../../processes/start_process.ts";
import { sleep } from "../../sleep.ts";
import { attemptPaths, type ExecutorPaths, openStepFolder, openWorkspace, type StepExecutor, type StepScript } from "../host_executor.ts";
import { isUntrusted, ownVolume } from "../untrusted_jobs.ts";
import {
	type Answer,
	CONTAINER_LEFT,
	changeOwner,
	docker,
	dockerEnvironment,
	lastLine,
	OWN_USER,
	removeLabelled,
	WORKSPACE_LABEL,
} from "./docker.ts";
import { type RegistryAccess, registryEnvironment } from "./registries.ts";

/**
 * Steps in a container: one for the whole job, in which every step is a process of its own, and beside it the services, on a network that
 * only they share. All of it is labelled with agent and attempt, so that whatever happens to the agent, its next life finds and removes it.
 */

type Container = NonNullable<Assignment["container"]>;
type Service = Assignment["services"][number];

export interface ContainerContext {
	assignment: Assignment;
	container: Container;
	/** The folder of the attempt, and the workspace in it. */
	folder: string;
	workspace: string;
	processes: AttemptProcesses;
	/** What everything of this agent is labelled with. */
	label: string;
	/** What whoever runs the agent lets jobs have. */
	limits: ContainerLimits;
	registries: RegistryAccess;
	spool: LogSpool;
	signal: AbortSignal;
}

/** What jobs in containers may have of a machine. */
export interface ContainerLimits {
	/** Devices that jobs may ask for. */
	allowDevices: readonly string[];
	/** Whether a program may gain rights that who starts it does not have, as `sudo` does. */
	allowNewPrivileges: boolean;
	/** How many processes and threads a container may have. */
	maxProcesses: number;
}

const WORKSPACE = "/workspace";
const OWN = "/windlass";
const CREATE_MS = 120_000;
const GIT_SETTINGS = "gitconfig";
/**
 * The workspace may belong to another user than that of the container; git would then refuse to work in it (CVE-2022-24765). There are no
 * files in there but the job's own. All paths, as submodules are repositories, too. As a system's file: versions before 2.38 honor nothing
 * that is set by variables here.
 */
const TRUSTING = "[include]\n\tpath = /etc/gitconfig\n[safe]\n\tdirectory = *\n";
/** Before 2.32 git knows no such variable, and distributions have given the check to versions as old as 2.17. */
const TRUSTING_OLD = `case "$(git --version 2>/dev/null)" in
"git version 2."[0-9].*|"git version 2."[12][0-9].*|"git version 2."3[01].*) git config --global --replace-all safe.directory '*' ;;
esac`;
const SERVICE_LOG_LINES = "20";
const SETTLING_MS = 500;

/**
 * The first process of a job's container. It does nothing until it is asked to end: then it passes that on to every process that a step has
 * started, and waits for them. What is left when docker's patience ends is killed with it.
 */
const KEEPER = `m=1; [ $$ -eq 1 ] || m=2
trap 'kill -TERM -1 2>/dev/null; n=0; while [ $n -lt 3000 ]; do set -- /proc/[0-9]*; [ $# -le $m ] && exit 0; sleep 0.1; n=$((n+1)); done; exit 0' TERM
while :; do sleep 86400 & wait $!; done`;

/** The container of a job, and its services. */
export class ContainerExecutor implements StepExecutor {
	readonly paths: ExecutorPaths;
	readonly #context: ContainerContext;
	readonly #steps: string;
	readonly #name: string;
	#isEnding: Promise<void> | null = null;
	/** The step that was started last. */
	#step: { number: number; shell: string; env: Record<string, string> } | null = null;
	/** Whether files in the workspace may belong to somebody else than the agent. */
	#isForeign = false;

	private constructor(context: ContainerContext) {
		const { folder, container, assignment } = context;
		this.#context = context;
		this.#steps = attemptPaths(folder).steps;
		this.#name = `windlass-${assignment.attempt_id}`;
		this.paths = {
			workspace: container.workdir ?? WORKSPACE,
			output: `${OWN}/files/output`,
			summary: `${OWN}/files/summary`,
			temporary: `${OWN}/tmp`,
			home: `${OWN}/home`,
			credentials: `${OWN}/credentials`,
		};
	}

	/**
	 * Pulls what is not there, starts services and container, and waits until the services are healthy.
	 * @throws JobError saying what cannot be had; what was started is removed by `end`
	 */
	static async open(context: ContainerContext): Promise<ContainerExecutor> {
		const place = new ContainerExecutor(context);
		try {
			await place.#open();
			return place;
		} catch (error) {
			await place.end(0);
			context.signal.throwIfAborted();
			throw error;
		}
	}

	async #open(): Promise<void> {
		const { assignment, container, spool, limits, folder } = this.#context;
		const refused = container.devices.find((device) => !limits.allowDevices.includes(device));
		if (refused !== undefined)
			throw new JobError(
				"device_refused",
				`The job wants ${refused}; this agent allows ${limits.allowDevices.join(", ") || "no device"} (--allow-devices).`,
			);
		const hiding = container.volumes.find((volume) => volumeError(volume, container.workdir) !== null);
		if (hiding !== undefined) throw new JobError("volume_rejected", `The volume ${hiding} ${volumeError(hiding, container.workdir)}.`);
		await this.#assertDaemon();
		const { files, output, summary, temporary, home } = attemptPaths(folder);
		// Whoever the container's user is must be able to write here; nobody else can reach it: the folder above is the agent's alone.
		for (const one of [files, home]) await chmod(one, 0o777);
		// Programs take no folder for temporary files that others may delete in.
		await chmod(temporary, 0o1777);
		for (const file of [output, summary]) await chmod(file, 0o666);
		await writeFile(path.join(attemptPaths(folder).steps, GIT_SETTINGS), TRUSTING, { mode: 0o644 });
		for (const image of [container, ...assignment.services]) await this.#pull(image);
		const network = assignment.services.length > 0 ? this.#name : null;
		if (network)
			await this.#must(["network", "create", ...this.#labels(), network], "network_failed", "The network of the services cannot be made");
		for (const service of assignment.services) await this.#startService(service);
		await this.#startContainer(network);
		await this.#settleOwners();
		for (const service of assignment.services) await this.#untilHealthy(service);
		await spool.say(`:: in a container of ${container.image}`);
	}

	async #assertDaemon(): Promise<void> {
		const version = await docker(["version", "--format", "{{.Server.Version}}"]);
		if (version.code !== 0)
			throw new JobError("container_runtime_unavailable", `Docker does not answer on this agent: ${lastLine(version)}`);
	}

	async #pull({ image, pull, credentials }: Pick<Container, "image" | "pull" | "credentials">): Promise<void> {
		const isThere = pull !== "always" && (await docker(["image", "inspect", "--format", "{{.Id}}", image])).code === 0;
		if (isThere) return;
		if (pull === "never")
			throw new JobError("image_unavailable", `The image ${image} is not on this agent, and pull: never forbids to get it.`);
		const { spool, processes, signal, registries } = this.#context;
		const env = { ...dockerEnvironment(), ...(await registryEnvironment(registries, credentials)) };
		await spool.say(`:: pull ${image}`);
		const tail = new Tail(spool);
		signal.throwIfAborted();
		const running = await startProcess(["docker", "pull", "--quiet", image], { cwd: "/", env, cgroup: processes.cgroup }, tail);
		processes.add(running.pid);
		// The sweep over what runs may have come too early for this one.
		if (signal.aborted) await processes.end([running.pid], 0);
		const code = await running.exited;
		signal.throwIfAborted();
		if (code !== 0) throw new JobError("image_unavailable", `The image ${image} cannot be pulled: ${tail.lastLine || `exit code ${code}`}`);
	}

	async #startService(service: Service): Promise<void> {
		// By way of docker's environment: on the command line everybody on the machine could read it.
		const hidden = Object.fromEntries(Object.entries(service.env).filter(([name]) => !isHeededByDocker(name)));
		const env = Object.entries(service.env).flatMap(([name, value]) => ["--env", name in hidden ? name : `${name}=${value}`]);
		const where = ["--name", this.#serviceName(service), "--network", this.#name, "--network-alias", service.name];
		const args = ["run", "--detach", ...this.#labels(), ...this.#limits(), ...where, ...env, service.image, ...(service.command ?? [])];
		await this.#must(args, "service_failed", `The service ${service.name} cannot be started`, hidden);
	}

	async #startContainer(network: string | null): Promise<void> {
		const { assignment, container, workspace, folder } = this.#context;
		const { steps, files, temporary, home, credentials } = attemptPaths(folder);
		const { memory, cpus, shm_size, read_only, init, network: wanted } = container.options;
		const options = [
			...(memory === undefined ? [] : ["--memory", memory]),
			...(cpus === undefined ? [] : ["--cpus", cpus]),
			...(shm_size === undefined ? [] : ["--shm-size", shm_size]),
			...(read_only ? ["--read-only"] : []),
			...(init ? ["--init"] : []),
			...(network !== null ? ["--network", network] : wanted === "none" ? ["--network", "none"] : []),
			...(container.user === null ? [] : ["--user", container.user]),
			...container.volumes.flatMap((volume) => ["--volume", isUntrusted(assignment) ? ownVolume(volume) : volume]),
			...container.devices.flatMap((device) => ["--device", device]),
		];
		const mounts = [
			["--volume", `${workspace}:${this.paths.workspace}`],
			["--volume", `${steps}:${OWN}/steps:ro`],
			["--volume", `${files}:${OWN}/files`],
			["--volume", `${temporary}:${this.paths.temporary}`],
			["--volume", `${home}:${this.paths.home}`],
			...(existsSync(credentials) ? [["--volume", `${credentials}:${this.paths.credentials}`]] : []),
		].flat();
		const place = ["--label", `${WORKSPACE_LABEL}=${this.paths.workspace}`];
		const args = [
			"run",
			"--detach",
			...this.#labels(),
			...this.#limits(),
			...place,
			"--name",
			this.#name,
			...options,
			...mounts,
			"--workdir",
			this.paths.workspace,
		];
		await this.#must(
			[...args, "--entrypoint", "sh", container.image, "-c", KEEPER],
			"container_failed",
			`A container of ${container.image} cannot be started (it needs a shell, sh)`,
		);
	}

	/** A user of the container that is not the agent's gets the workspace for as long as the job runs. */
	async #settleOwners(): Promise<void> {
		const asked = await docker(["exec", this.#name, "id", "-u"]);
		const user = Number(asked.stdout.trim());
		if (asked.code !== 0 || !Number.isInteger(user))
			throw new JobError("container_failed", `The container's user cannot be told: ${lastLine(asked)}`);
		this.#isForeign = user !== process.getuid?.();
		if (user === 0 || !this.#isForeign) return;
		const given = await this.#changeOwner(String(user), [this.paths.workspace]);
		if (given.code === 0) return;
		const { image } = this.#context.container;
		const why = lastLine(given);
		throw new JobError(
			"container_failed",
			/"?chown"?: executable file not found|chown: no such file/i.test(why)
				? `The image ${image} has no chown, with which the workspace is given to user ${user}. Use an image that has it, or set container.user to 0.`
				: `The workspace cannot be given to user ${user} of the image ${image}: ${why}`,
		);
	}

	async #untilHealthy(service: Service): Promise<void> {
		const { signal, spool } = this.#context;
		const name = this.#serviceName(service);
		const { interval_ms, timeout_ms, retries } = service.health ?? { interval_ms: 1_000, timeout_ms: 5_000, retries: 120 };
		for (let tried = 0; tried < retries; tried += 1) {
			signal.throwIfAborted();
			const state = await docker(["inspect", "--format", "{{.State.Running}} {{if .State.Health}}{{.State.Health.Status}}{{end}}", name]);
			const [isRunning, health = ""] = state.stdout.trim().split(" ");
			if (isRunning !== "true") throw await this.#serviceError(service, "service_failed", "has ended");
			if (service.health === null && (health === "" || health === "healthy")) return;
			if (service.health !== null && (await docker(["exec", name, "sh", "-c", service.health.command], timeout_ms)).code === 0) {
				await spool.say(`:: the service ${service.name} is healthy`);
				return;
			}
			await sleep(interval_ms, signal);
		}
		throw await this.#serviceError(service, "service_unhealthy", `did not get healthy within ${formatDuration(interval_ms * retries)}`);
	}

	async #serviceError(service: Service, code: string, what: string): Promise<JobError> {
		const { spool } = this.#context;
		const log = await docker(["logs", "--tail", SERVICE_LOG_LINES, this.#serviceName(service)]);
		await spool.say(`:: the end of the log of the service ${service.name}:`);
		await spool.write(Buffer.from(`${log.stdout}${log.stderr}`));
		await spool.endLine();
		return new JobError(code, `The service ${service.name} (${service.image}) ${what}.`);
	}

	async start({ text, shell, number, workingDirectory, env: given }: StepScript, output: Output): Promise<RunningProcess> {
		const { workspace, processes } = this.#context;
		const env = { GIT_CONFIG_SYSTEM: `${OWN}/steps/${GIT_SETTINGS}`, ...given };
		assertFits(env);
		const inside = path.posix.join(this.paths.workspace, await this.#resolved(workspace, workingDirectory));
		const isDefault = shell === "default";
		const { command, extension } = shellCommand(isDefault ? "bash" : shell);
		const script = `${number}.${extension}`;
		await writeFile(path.join(this.#steps, script), text, { mode: 0o644 });
		// Values go to the shell's input: never by the command line, which everybody on the machine can read, and through no file.
		const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`);
		const run = (words: readonly string[]) => `exec ${words.map(quoted).join(" ")} ${OWN}/steps/${script}`;
		const isMissing = `! command -v ${command[0]} >/dev/null 2>&1`;
		const giveUp = `{ : > ${OWN}/files/${shellMark(number)}; exit ${COMMAND_NOT_FOUND}; }`;
		const without = isDefault
			? `if ${isMissing}; then command -v sh >/dev/null 2>&1 || ${giveUp}; ${run(shellCommand("sh").command)}; fi`
			: `if ${isMissing}; then ${giveUp}; fi`;
		// A user without a folder of its own has `/`, or that of somebody else. `test -w` is no help: to some it says yes of a read-only system.
		const probe = '"$HOME/.windlass-probe-$$"';
		const home = "HOME" in env ? [] : [`(: > ${probe} && rm ${probe}) 2>/dev/null || export HOME=${this.paths.home}`];
		this.#step = { number, shell: isDefault ? "sh" : (command[0] as string), env };
		const begin = [
			...exports,
			...home,
			...(this.#isForeign ? [TRUSTING_OLD] : []),
			`cd ${quoted(inside)} || exit 1`,
			without,
			run(command),
		].join("\n");
		const running = await startProcess(
			["docker", "exec", "--interactive", this.#name, "sh"],
			{ cwd: "/", env: dockerEnvironment(), cgroup: processes.cgroup, input: `${begin}\n` },
			output,
		);
		processes.add(running.pid);
		return running;
	}

	/** Where a folder is in the workspace. Only the container opens it: what its job does to the path meanwhile stays in there. */
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

	/** A step cannot be ended alone: its processes are not the agent's. It is the last of its job anyway. */
	endStep(_: RunningProcess, graceMs: number): Promise<void> {
		return this.#stop(graceMs);
	}

	/** Whatever a step ends with, its container may be what has failed: nobody else would say so. */
	async explainExit(code: number): Promise<string | null> {
		// A step that a signal has ended may have been ended with its container, of which the daemon hears a moment later.
		if (isBySignal(code)) await sleep(SETTLING_MS);
		const state = await docker(["inspect", "--format", "{{.State.Running}} {{.State.OOMKilled}} {{.State.ExitCode}}", this.#name]);
		const [isRunning, isOutOfMemory, exitCode] = state.stdout.trim().split(" ");
		if (state.code !== 0) throw new JobError("container_lost", `Docker no longer knows the job's container: ${lastLine(state)}`);
		if (isOutOfMemory === "true") return "the container had no memory left";
		if (isRunning !== "true") throw new JobError("container_lost", `The job's container ended under its step (exit code ${exitCode}).`);
		return code === COMMAND_NOT_FOUND ? this.#missingShell() : null;
	}

	/** What is to be said of a step whose shell is not in the image; null if that is not why it failed. */
	async #missingShell(): Promise<string | null> {
		const { folder, container } = this.#context;
		if (!this.#step || !existsSync(path.join(attemptPaths(folder).files, shellMark(this.#step.number)))) return null;
		const { shell, env } = this.#step;
		return shellMissing(shell, `in the image ${container.image}${env.PATH === undefined ? "" : `, on the PATH ${env.PATH}`}`, env).message;
	}

	/** Ends the steps, gives the files back to the agent, and removes everything. */
	end(graceMs: number): Promise<void> {
		this.#isEnding ??= this.#end(graceMs);
		return this.#isEnding;
	}

	async #end(graceMs: number): Promise<void> {
		await this.#stop(graceMs);
		if (this.#isForeign) await this.#takeBack();
		if (await removeLabelled(this.#attemptLabel)) return;
		await this.#context.spool.say(":: the container of this job could not be removed; its files stay until this agent starts again");
		await writeFile(path.join(this.#context.folder, CONTAINER_LEFT), "");
	}

	async #stop(graceMs: number): Promise<void> {
		const seconds = Math.ceil(graceMs / 1000);
		await docker(["stop", "--time", String(seconds), this.#name], graceMs + CREATE_MS);
	}

	/** Files that the container's user has made become the agent's, so that it can save and remove them. */
	async #takeBack(): Promise<void> {
		const { workspace, temporary, home, credentials } = this.paths;
		const mounted = existsSync(attemptPaths(this.#context.folder).credentials) ? [credentials] : [];
		const given = await this.#changeOwner(OWN_USER, [workspace, `${OWN}/files`, temporary, home, ...mounted]);
		if (given.code !== 0) await this.#context.spool.say(`:: the files of the workspace cannot be taken back: ${lastLine(given)}`);
	}

	#changeOwner(owner: string, folders: readonly string[]): Promise<Answer> {
		return changeOwner({ container: this.#name, image: this.#context.container.image, owner, folders, labels: this.#labels() });
	}

	async #must(args: readonly string[], code: string, what: string, env: Record<string, string> = {}): Promise<void> {
		const answer: Answer = await docker(args, CREATE_MS, env);
		this.#context.signal.throwIfAborted();
		if (answer.code !== 0) throw new JobError(code, `${what}: ${lastLine(answer)}`);
	}

	#serviceName(service: Service): string {
		return `${this.#name}-${service.name}`;
	}

	get #attemptLabel(): string {
		return `windlass.attempt=${this.#context.assignment.attempt_id}`;
	}

	/** What every container is held to. */
	#limits(): string[] {
		const { allowNewPrivileges, maxProcesses } = this.#context.limits;
		return [...(allowNewPrivileges ? [] : ["--security-opt", "no-new-privileges"]), "--pids-limit", String(maxProcesses)];
	}

	#labels(): string[] {
		return ["--label", this.#context.label, "--label", this.#attemptLabel];
	}
}

/** The file that says that the shell of a step was not found. */
function shellMark(step: number): string {
	return `no-shell-${step}`;
}

/** Passes output on, and keeps its last line: it says why something failed. */
class Tail implements Output {
	readonly #spool: LogSpool;
	#last = "";

	constructor(spool: LogSpool) {
		this.#spool = spool;
	}

	write(bytes: Uint8Array): Promise<void> {
		this.#last = `${this.#last}${Buffer.from(bytes).toString("utf8")}`.slice(-4096);
		return this.#spool.write(bytes);
	}

	get lastLine(): string {
		return (this.#last.trim().split("\n").at(-1) ?? "").replace(/^Error response from daemon: /, "").slice(0, 500);
	}
}
