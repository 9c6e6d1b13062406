import { execFile } from "node:child_process";
import type { ReasonCode } from "../../../schema/wire/reasons.ts";
import { JobError } from "../../outcome.ts";

/** The agent uses the docker command, which knows contexts, credentials and sockets. */

export interface Answer {
	code: number;
	stdout: string;
	stderr: string;
}

const TIMEOUT_MS = 60_000;
const CHOWN_MS = 120_000;
/** How long docker may take to create something. */
export const CREATE_MS = 120_000;
const MAX_LINE = 500;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** The agent's variables that docker gets: they say where its daemon and its credentials are. */
export function dockerEnvironment(own: NodeJS.ProcessEnv = process.env): Record<string, string> {
	const isWanted = (name: string) => /^(DOCKER_|BUILDKIT_|XDG_)|^(PATH|HOME|SSH_AUTH_SOCK)$|^(https?|no)_proxy$/i.test(name);
	return Object.fromEntries(Object.entries(own).flatMap(([name, value]) => (value !== undefined && isWanted(name) ? [[name, value]] : [])));
}

/** Runs a docker command to its end. Never throws: an unreachable daemon is an answer, too. */
export function docker(args: readonly string[], timeoutMs: number = TIMEOUT_MS, env: Record<string, string> = {}): Promise<Answer> {
	return new Promise((resolve) => {
		const options = {
			env: { ...dockerEnvironment(), ...env },
			timeout: timeoutMs,
			maxBuffer: MAX_OUTPUT_BYTES,
			killSignal: "SIGKILL" as const,
		};
		execFile("docker", [...args], options, (error, stdout, stderr) => {
			const code = error ? (typeof error.code === "number" ? error.code : -1) : 0;
			const message = error && stderr.trim() === "" ? error.message : stderr;
			resolve({ code, stdout, stderr: error?.killed ? `docker did not answer within ${timeoutMs / 1000} s` : message });
		});
	});
}

/**
 * The last line that docker printed, which says why it failed. Hints about its help are left out.
 */
export function lastLine({ stdout, stderr }: Answer): string {
	const lines = (stderr.trim() || stdout.trim()).split("\n").filter((line) => line !== "" && !/^Run 'docker .*--help'/.test(line));
	return withoutDockerPrefix(lines.at(-1) ?? "");
}

/** A line of docker's output without the words that begin every error. */
export function withoutDockerPrefix(line: string): string {
	return line.replace(/^(docker: )?Error response from daemon: /, "").slice(0, MAX_LINE);
}

/**
 * Runs a docker command that must succeed.
 * @param failure the code and the beginning of the text of the error
 * @returns what it printed
 * @throws JobError if it fails; the signal's reason when the signal is aborted
 */
export async function mustDocker(
	args: readonly string[],
	signal: AbortSignal,
	failure: { code: ReasonCode; text: string },
	env: Record<string, string> = {},
): Promise<string> {
	const answer = await docker(args, CREATE_MS, env);
	signal.throwIfAborted();
	if (answer.code !== 0) throw new JobError(failure.code, `${failure.text}: ${lastLine(answer)}`);
	return answer.stdout.trim();
}

/** @throws JobError if no Docker daemon answers */
export async function assertDaemon(): Promise<void> {
	const version = await docker(["version", "--format", "{{.Server.Version}}"]);
	if (version.code !== 0) throw new JobError("container_runtime_unavailable", `Docker does not answer on this agent: ${lastLine(version)}`);
}

/** The version of the daemon; null if none answers. */
export async function dockerVersion(timeoutMs: number): Promise<string | null> {
	const { code, stdout } = await docker(["version", "--format", "{{.Server.Version}}"], timeoutMs);
	return code === 0 && stdout.trim() !== "" ? `docker ${stdout.trim()}` : null;
}

/**
 * The file in the folder of an attempt whose container may still run. The agent must not remove a
 * folder that the container can change.
 */
export const CONTAINER_LEFT = "container-left";

/** The label with the path of the workspace in a container. */
export const WORKSPACE_LABEL = "windlass.workspace";

/**
 * Makes the agent the owner of the files of all containers that have this label, so that it can
 * remove them.
 */
export async function takeBackLabelled(label: string): Promise<void> {
	const format = ["--format", `{{.ID}} {{.Image}} {{.Label "${WORKSPACE_LABEL}"}}`];
	const { stdout } = await docker([
		"ps",
		"--all",
		"--no-trunc",
		"--filter",
		`label=${label}`,
		"--filter",
		`label=${WORKSPACE_LABEL}`,
		...format,
	]);
	for (const line of stdout.split("\n").filter(Boolean)) {
		const [id = "", image = "", workspace = ""] = line.split(/ (\S*) (.*)/s);
		await changeOwner({ container: id, image, owner: AGENT_USER, folders: [workspace, ...SHARED_FOLDERS], labels: ["--label", label] });
	}
}

/** The agent's folders in a container in which its user may create files, besides the workspace. */
const SHARED_FOLDERS = ["/windlass/files", "/windlass/tmp", "/windlass/home", "/windlass/credentials"];

/** The agent's user and group, in chown's syntax. */
export const AGENT_USER = `${process.getuid?.()}:${process.getgid?.()}`;

/**
 * Changes the owner of folders that the agent has mounted into a container. A second container does
 * that as root: in the job's own container nobody gains new privileges, so root may not if the job
 * has another user.
 */
export function changeOwner(change: {
	container: string;
	image: string;
	owner: string;
	folders: readonly string[];
	labels: readonly string[];
}): Promise<Answer> {
	const { container, image, owner, folders, labels } = change;
	const limits = ["--security-opt", "no-new-privileges", "--pids-limit", "64", "--network", "none"];
	const how = ["--volumes-from", container, "--user", "0", "--entrypoint", "chown", "--pull", "never"];
	return docker(["run", "--rm", ...labels, ...limits, ...how, image, "-Rh", owner, ...folders], CHOWN_MS);
}

/**
 * Removes the containers, with their volumes, and the networks that have this label.
 * @returns whether Docker says that none of the containers is left
 */
export async function removeLabelled(label: string): Promise<boolean> {
	const filter = ["--filter", `label=${label}`];
	const list = () => docker(["ps", "--all", "--quiet", "--no-trunc", ...filter]);
	const containers = (await list()).stdout.split("\n").filter(Boolean);
	if (containers.length > 0) await docker(["rm", "--force", "--volumes", ...containers]);
	const left = containers.length === 0 ? null : await list();
	const networks = (await docker(["network", "ls", "--quiet", "--no-trunc", ...filter])).stdout.split("\n").filter(Boolean);
	if (networks.length > 0) await docker(["network", "rm", ...networks]);
	return left === null || (left.code === 0 && left.stdout.trim() === "");
}
