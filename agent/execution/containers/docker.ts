import { execFile } from "node:child_process";

/** The container runtime, by way of its own command: it knows contexts, credentials and sockets. */

/** What a command of docker came to. */
export interface Answer {
	code: number;
	stdout: string;
	stderr: string;
}

const TIMEOUT_MS = 60_000;
const CHOWN_MS = 120_000;
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

/** What docker is told of the agent's own environment: where its daemon is, and where its credentials lie. */
export function dockerEnvironment(own: NodeJS.ProcessEnv = process.env): Record<string, string> {
	const isWanted = (name: string) => /^(DOCKER_|BUILDKIT_|XDG_)|^(PATH|HOME|SSH_AUTH_SOCK)$|^(https?|no)_proxy$/i.test(name);
	return Object.fromEntries(Object.entries(own).flatMap(([name, value]) => (value !== undefined && isWanted(name) ? [[name, value]] : [])));
}

/** Runs a command of docker to its end. Never throws: a daemon that is not there is an answer, too. */
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
			const told = error && stderr.trim() === "" ? error.message : stderr;
			resolve({ code, stdout, stderr: error?.killed ? `no answer within ${timeoutMs / 1000} s` : told });
		});
	});
}

/** The last line of what docker said: the one that says why, but for where to read about its options. */
export function lastLine({ stdout, stderr }: Answer): string {
	const lines = (stderr.trim() || stdout.trim()).split("\n").filter((line) => line !== "" && !/^Run 'docker .*--help'/.test(line));
	return (lines.at(-1) ?? "").replace(/^(docker: )?Error response from daemon: /, "").slice(0, 500);
}

/** The version of the daemon; null if there is none to be had. */
export async function dockerVersion(timeoutMs: number): Promise<string | null> {
	const { code, stdout } = await docker(["version", "--format", "{{.Server.Version}}"], timeoutMs);
	return code === 0 && stdout.trim() !== "" ? `docker ${stdout.trim()}` : null;
}

/** In the folder of an attempt whose container may still run: nothing there is removed, as the container could replace it meanwhile. */
export const CONTAINER_LEFT = "container-left";

/** Where in a container the workspace is. */
export const WORKSPACE_LABEL = "windlass.workspace";

/** Gives the files of jobs that nobody looks after any more back to the agent, as far as their containers still stand: it is to remove them. */
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
		await changeOwner({ container: id, image, owner: OWN_USER, folders: [workspace, ...SHARED_FOLDERS], labels: ["--label", label] });
	}
}

/** Where a container has the agent's folders in which its user may leave files, beside the workspace. */
const SHARED_FOLDERS = ["/windlass/files", "/windlass/tmp", "/windlass/home", "/windlass/credentials"];

/** The agent's own user and group, as chown takes them. */
export const OWN_USER = `${process.getuid?.()}:${process.getgid?.()}`;

/**
 * Makes somebody the owner of folders that a container has from the agent. A container beside it does that, as root: in the
 * job's own, where nobody gains new rights, not even root may if the job's user is another.
 */
export function changeOwner(given: {
	container: string;
	image: string;
	owner: string;
	folders: readonly string[];
	labels: readonly string[];
}): Promise<Answer> {
	const { container, image, owner, folders, labels } = given;
	const limits = ["--security-opt", "no-new-privileges", "--pids-limit", "64", "--network", "none"];
	const how = ["--volumes-from", container, "--user", "0", "--entrypoint", "chown", "--pull", "never"];
	return docker(["run", "--rm", ...labels, ...limits, ...how, image, "-Rh", owner, ...folders], CHOWN_MS);
}

/**
 * Removes containers and networks that carry this label, and whatever is in them.
 * @returns whether none of the containers is left, as far as Docker says
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
