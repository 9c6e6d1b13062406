import type { LogSpool } from "../../log/log_spool.ts";
import { JobError } from "../../outcome.ts";
import type { AttemptProcesses } from "../../processes/attempt_processes.ts";
import { type Output, startProcess } from "../../processes/start_process.ts";
import { docker, dockerEnvironment, withoutDockerPrefix } from "./docker.ts";
import { type RegistryAccess, registryEnvironment } from "./registries.ts";
import type { Container } from "./run_options.ts";

interface PullContext {
	spool: LogSpool;
	processes: AttemptProcesses;
	registries: RegistryAccess;
	signal: AbortSignal;
}

/**
 * Pulls an image if the agent does not have it, or if the job asks to pull always.
 * @throws JobError if the agent cannot get the image
 */
export async function pullImage(
	{ spool, processes, registries, signal }: PullContext,
	{ image, pull, credentials }: Pick<Container, "image" | "pull" | "credentials">,
): Promise<void> {
	const isThere = pull !== "always" && (await docker(["image", "inspect", "--format", "{{.Id}}", image])).code === 0;
	if (isThere) return;
	if (pull === "never")
		throw new JobError(
			"image_unavailable",
			`This agent does not have the image ${image}, and the job sets pull: never. Pull it there first.`,
		);
	const env = { ...dockerEnvironment(), ...(await registryEnvironment(registries, credentials)) };
	await spool.writeLine(`:: pull ${image}`);
	const output = new LastLine(spool);
	signal.throwIfAborted();
	const running = await startProcess(["docker", "pull", "--quiet", image], { cwd: "/", env, cgroup: processes.cgroup }, output);
	processes.add(running.pid);
	// The job may have been stopped while docker was being started.
	if (signal.aborted) await processes.end([running.pid], 0);
	const code = await running.exited;
	signal.throwIfAborted();
	if (code !== 0) throw new JobError("image_unavailable", `The image ${image} cannot be pulled: ${output.text || `exit code ${code}`}`);
}

const KEPT_CHARACTERS = 4096;

/** Writes output to the log, and keeps its last line: it says why a command failed. */
class LastLine implements Output {
	readonly #spool: LogSpool;
	#last = "";

	constructor(spool: LogSpool) {
		this.#spool = spool;
	}

	write(bytes: Uint8Array): Promise<void> {
		this.#last = `${this.#last}${Buffer.from(bytes).toString("utf8")}`.slice(-KEPT_CHARACTERS);
		return this.#spool.write(bytes);
	}

	get text(): string {
		return withoutDockerPrefix(this.#last.trim().split("\n").at(-1) ?? "");
	}
}
