import { spawn } from "node:child_process";
import { Readable, type Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { logLost } from "../outcome.ts";
import { atMost } from "../sleep.ts";
import { CannotStart } from "./cannot_start.ts";
import type { Cgroup } from "./cgroup.ts";
import { exitCodeOf } from "./exit_codes.ts";

/** After a process has ended, its last output is still in the pipe, and can be read at once. */
const DRAIN_QUIET_MS = 20;
const DRAIN_MAX_MS = 2_000;

/** A destination of output. A rejected write ends the job, because output is lost. */
export interface Output {
	write(bytes: Uint8Array): Promise<void>;
}

export interface ProcessOptions {
	cwd: string;
	env: Record<string, string>;
	/** The control group that the process joins; null if the agent has none. */
	cgroup: Cgroup | null;
	/** The input of the process; without it, the input is empty. */
	input?: string | Readable;
}

/** A running process that leads a process group of its own. */
export interface RunningProcess {
	pid: number;
	/**
	 * The exit code as a shell reports it (exit_codes.ts).
	 * Rejected with a JobError if the log could not store its output.
	 */
	exited: Promise<number>;
}

/**
 * `sh` joins the control group, puts both outputs into one pipe (two pipes would lose their order)
 * and waits for the command. Node does not report real-time signals that end a program; `sh`
 * reports 128 + the signal. `sh` traps signals to the group, because they are for the command. Only
 * the subshell has the log as its stderr: `sh` itself would write "Terminated" there.
 */
const START = '[ -z "$1" ] || echo $$ > "$1"; shift; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2; (exec "$@" 2>&1); exit $?';

/**
 * Starts a command in a process group of its own.
 * @throws CannotStart
 */
export async function startProcess(
	command: readonly string[],
	{ cwd, env, cgroup, input }: ProcessOptions,
	destination: Output,
): Promise<RunningProcess> {
	const child = spawn("/bin/sh", ["-c", START, "sh", cgroup?.entry ?? "", ...command], {
		cwd,
		env,
		detached: true,
		stdio: [input === undefined ? "ignore" : "pipe", "pipe", "ignore"],
	});
	// A command that ends before it has read all input reports an error by its exit code.
	const stdin = child.stdin?.on("error", () => undefined);
	if (input instanceof Readable) input.on("error", () => stdin?.destroy()).pipe(stdin as Writable);
	else stdin?.end(input);
	await new Promise<void>((resolve, reject) => {
		child.once("spawn", resolve);
		child.once("error", (error) => reject(CannotStart.of(error, command[0] ?? "", env)));
	});
	const exited = new Promise<number>((resolve) => {
		child.once("exit", (code, signal) => resolve(exitCodeOf(code, signal)));
	});
	return watchProcess(child.pid as number, child.stdout as Readable, exited, destination);
}

/** Copies the output of a started process, and waits for its end. */
export function watchProcess(pid: number, output: Readable, ended: Promise<number>, destination: Output): RunningProcess {
	const copied = copyOutput(output, destination);
	const exited = ended.then(async (code) => {
		await copied.drained();
		return code;
	});
	// A caller need not wait for the end of the process.
	exited.catch(() => undefined);
	return { pid, exited };
}

/**
 * Copies output to its destination at the destination's pace. A background process may hold the
 * pipe open for as long as the job runs, so the end of the step is not the end of the pipe.
 */
function copyOutput(output: Readable, destination: Output): { drained(): Promise<void> } {
	let lastDataAt = performance.now();
	let isWriting = false;
	let isEnded = false;
	let failure: Error | null = null;
	const done = (async () => {
		for await (const chunk of output as AsyncIterable<Buffer>) {
			isWriting = true;
			// After a failure the pipe is still read: closing it would end the process.
			if (failure === null) {
				await destination.write(chunk).catch((error: Error) => {
					failure = error;
				});
			}
			isWriting = false;
			lastDataAt = performance.now();
		}
	})()
		.catch((error: Error) => {
			failure ??= error;
		})
		.finally(() => {
			isEnded = true;
		});
	return {
		async drained() {
			const until = performance.now() + DRAIN_MAX_MS;
			lastDataAt = performance.now();
			while (!isEnded && (isWriting || (performance.now() < until && performance.now() - lastDataAt < DRAIN_QUIET_MS))) {
				await atMost(DRAIN_QUIET_MS / 2, done);
				// On a busy machine this process may not have run meanwhile: it reads the pipe
				// first, then looks at the time.
				await nextTurn();
				await nextTurn();
			}
			if (failure) throw logLost(failure.message);
		},
	};
}
