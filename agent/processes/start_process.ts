import { type ChildProcess, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { logLost } from "../outcome.ts";
import { sleep } from "../sleep.ts";
import { assertFits, CannotStart, findShell } from "./cannot_start.ts";
import type { Cgroup } from "./cgroup.ts";
import { exitCodeOf } from "./exit_codes.ts";

/** `sh` with pipefail where it has that: busybox and POSIX.1-2024 do, older versions of dash do not. */
const SH = `if (set -o pipefail) 2>/dev/null; then exec sh -eo pipefail "$@"; fi; exec sh -e "$@"`;

/** How each shell runs a script file. It ends at the first command that fails, and where it can also inside a pipe. */
const SHELLS: Record<string, { command: string[]; extension: string }> = {
	bash: { command: ["bash", "-eo", "pipefail"], extension: "sh" },
	sh: { command: ["sh", "-c", SH, "sh"], extension: "sh" },
	python3: { command: ["python3"], extension: "py" },
	node: { command: ["node"], extension: "mjs" },
};

/** After a process has ended, what it wrote before is still in the pipe; it is there at once. */
const DRAIN_QUIET_MS = 20;
const DRAIN_MAX_MS = 2_000;

/** Where output goes. A write that is rejected ends the job: what was written is lost. */
export interface Output {
	write(bytes: Uint8Array): Promise<void>;
}

export interface Script {
	text: string;
	shell: string;
	/** Where the script file may be put; without extension. */
	file: string;
	cwd: string;
	env: Record<string, string>;
	/** The control group that it belongs to, if there are any. */
	cgroup: Cgroup | null;
}

/** A running process that leads a process group of its own. */
export interface RunningProcess {
	pid: number;
	/**
	 * The exit code, as a shell would give it: 128 + the signal's number where a signal ended it.
	 * Rejected with a JobError if its output could not be kept.
	 */
	exited: Promise<number>;
}

/** How a shell is called to run a script file, and what such a file ends in. @throws Error for one that is not known */
export function shellCommand(name: string): { command: string[]; extension: string } {
	const shell = SHELLS[name];
	if (!shell) throw new Error(`this agent does not know the shell ${name}`);
	return shell;
}

/**
 * Starts a script; stdout and stderr go into the log through one pipe, in the order in which they were written.
 * @throws CannotStart
 */
export async function startScript(script: Script, output: Output): Promise<RunningProcess> {
	const shell = shellCommand(script.shell);
	const file = `${script.file}.${shell.extension}`;
	const [name = "", ...args] = shell.command;
	const found = findShell(name, script.env);
	assertFits(script.env);
	await writeFile(file, script.text, { mode: 0o600 });
	return startProcess([found, ...args, file], script, output);
}

/**
 * `sh` joins the control group, puts both outputs into one pipe (two would lose the order between them) and waits for the command: of
 * a program that a real-time signal has ended, Node says the same as of one that succeeded; `sh` says 128 + the signal. A signal to the
 * group is the command's to act on, so `sh` goes on waiting for it. The subshell alone has the log as its stderr: `sh` itself would
 * write there that a signal has ended the command ("Terminated"), which is not the command's output.
 */
const START = '[ -z "$1" ] || echo $$ > "$1"; shift; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2; (exec "$@" 2>&1); exit $?';

/**
 * Starts a command in a process group of its own, its output into the log. `input` is what it reads; without it, nothing.
 * @throws CannotStart
 */
export async function startProcess(
	command: readonly string[],
	{ cwd, env, cgroup, input }: Pick<Script, "cwd" | "env" | "cgroup"> & { input?: string | Readable },
	destination: Output,
): Promise<RunningProcess> {
	const child = spawn("/bin/sh", ["-c", START, "sh", cgroup?.entry ?? "", ...command], {
		cwd,
		env,
		detached: true,
		stdio: [input === undefined ? "ignore" : "pipe", "pipe", "ignore"],
	});
	// Who ends before it has read all of it has its reasons; its exit code tells them.
	const stdin = child.stdin?.on("error", () => undefined);
	if (input instanceof Readable) input.on("error", () => stdin?.destroy()).pipe(stdin as Writable);
	else stdin?.end(input);
	await new Promise<void>((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (error) => reject(CannotStart.of(error, command[0] ?? "", env)));
	});
	const output = copyOutput(child, destination);
	const exited = new Promise<number>((resolve) => {
		child.once("exit", (code, signal) => resolve(exitCodeOf(code, signal)));
	}).then(async (code) => {
		await output.drained();
		return code;
	});
	// Not everybody waits for the end of what they have started.
	exited.catch(() => undefined);
	return { pid: child.pid as number, exited };
}

/**
 * Copies output into the log at the pace of the disk. A process that was left in the background may hold the pipe open for
 * as long as the job runs; so the end of a step is not the end of the pipe.
 */
function copyOutput(child: ChildProcess, destination: Output): { drained(): Promise<void> } {
	let lastDataAt = performance.now();
	let isWriting = false;
	let isEnded = false;
	let fault: Error | null = null;
	const done = (async () => {
		for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
			isWriting = true;
			// After a fault the pipe is read all the same: a process whose output is closed would end by that.
			if (fault === null) {
				await destination.write(chunk).catch((error: Error) => {
					fault = error;
				});
			}
			isWriting = false;
			lastDataAt = performance.now();
		}
	})()
		.catch((error: Error) => {
			fault ??= error;
		})
		.finally(() => {
			isEnded = true;
		});
	return {
		async drained() {
			const until = performance.now() + DRAIN_MAX_MS;
			lastDataAt = performance.now();
			while (!isEnded && (isWriting || (performance.now() < until && performance.now() - lastDataAt < DRAIN_QUIET_MS))) {
				await Promise.race([done, sleep(DRAIN_QUIET_MS / 2)]);
			}
			if (fault) throw logLost(fault.message);
		},
	};
}
