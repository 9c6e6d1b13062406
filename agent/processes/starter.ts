import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import type { Cgroup } from "./cgroup.ts";
import { exitCodeOf } from "./exit_codes.ts";
import { canRun } from "./host_processes.ts";
import { quoted } from "./shell_quoting.ts";
import { type Output, type RunningProcess, watchProcess } from "./start_process.ts";

/** File descriptors for the output of steps, one for each: `sh` knows those with one digit only. */
const OUTPUTS = [3, 4, 5, 6, 7, 8, 9];
const CLOSE_OUTPUTS = OUTPUTS.map((number) => `${number}>&-`).join(" ");

/** Variables that shells keep for themselves or do not let go. */
const KEPT_BY_SHELLS: ReadonlySet<string> = new Set([
	...["_", "BASHOPTS", "BASHPID", "BASH_VERSINFO", "EUID", "GROUPS", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PPID", "PWD"],
	...["RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "UID"],
]);
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * A shell that starts the steps of jobs, one after the other. It waits in a control group of its
 * own, so that a step begins inside: the kernel takes some ten milliseconds to move a process into a
 * group when none was moved of late.
 *
 * The shell reads scripts from its input. For each it starts a subshell, which becomes the step. As
 * in start_process.ts, it waits for the step and traps the signals that are meant for it. Then it
 * writes the exit code to its output. Each step has a pipe of its own for its output. A shell that
 * has no pipe left is replaced.
 */
export class Starter {
	readonly cgroup: Cgroup;
	readonly #child: ChildProcess;
	readonly #outputs = [...OUTPUTS];
	/** Ends the wait for the step that runs; null while none runs. */
	#endStep: ((exitCode: number) => void) | null = null;
	#hasEnded = false;

	private constructor(cgroup: Cgroup, child: ChildProcess) {
		this.cgroup = cgroup;
		this.#child = child;
		cgroup.resident = child.pid ?? null;
		child.once("error", () => this.#end(exitCodeOf(null, null)));
		child.once("exit", (code, signal) => this.#end(exitCodeOf(code, signal)));
		// Without file descriptors, the child has no pipes.
		child.stdout?.on("data", (line) => this.#endStep?.(Number(line)));
		for (const pipe of child.stdio ?? []) pipe?.on("error", () => undefined);
	}

	/** Starts shells that join these groups once all have started: a move keeps others from starting. */
	static prepare(cgroups: readonly Cgroup[]): Starter[] {
		const starters = cgroups.map((cgroup) => Starter.#spawn(cgroup));
		for (const starter of starters) starter.#join();
		return starters;
	}

	#join(): void {
		this.#child.stdin?.write(`echo $$ > ${quoted(this.cgroup.entry)}\ntrap : HUP INT QUIT PIPE ALRM TERM USR1 USR2\n`);
	}

	static #spawn(cgroup: Cgroup): Starter {
		const child = spawn("/bin/sh", [], {
			cwd: "/",
			env: {},
			detached: true,
			stdio: ["pipe", "pipe", "ignore", ...OUTPUTS.map(() => "pipe" as const)],
		});
		return new Starter(cgroup, child);
	}

	/** The process that leads the group of its steps; null if it could not be started. */
	get pid(): number | null {
		return this.#child.pid ?? null;
	}

	/** Whether it can start a step. */
	get isWaiting(): boolean {
		return !this.#hasEnded && this.#endStep === null && this.#outputs.length > 0;
	}

	/** Whether another job can use it: nothing of the job before is left. */
	get isClean(): boolean {
		return this.isWaiting && canRun(this.#child.pid as number) && this.cgroup.isEmpty;
	}

	/** Whether its shell can set all of these variables. */
	canSet(env: Readonly<Record<string, string>>): boolean {
		return Object.keys(env).every((name) => IDENTIFIER.test(name) && !KEPT_BY_SHELLS.has(name));
	}

	/** Starts a step while none runs, with variables that it can set. */
	start(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>, destination: Output): RunningProcess {
		const number = this.#outputs.shift() as number;
		const exited = new Promise<number>((resolve) => {
			this.#endStep = (exitCode) => {
				this.#endStep = null;
				resolve(exitCode);
			};
		});
		this.#child.stdin?.write(scriptOf(command, cwd, env, number));
		return watchProcess(this.#child.pid as number, this.#child.stdio[number] as Duplex, exited, destination);
	}

	/** Ends it, with what is left in its group, and removes the group. */
	async end(): Promise<void> {
		if (!this.#hasEnded) {
			const ended = new Promise((resolve) => this.#child.once("exit", resolve));
			this.#child.kill("SIGKILL");
			await ended;
		}
		this.cgroup.remove();
	}

	#end(exitCode: number): void {
		this.#hasEnded = true;
		this.#endStep?.(exitCode);
		for (const number of this.#outputs) (this.#child.stdio[number] as Duplex | undefined)?.destroy();
	}
}

function scriptOf(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>, output: number): string {
	const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
	const enter = `cd -P -- ${quoted(cwd)} || exit 1\nunset OLDPWD PWD\n`;
	const become = `exec ${command.map(quoted).join(" ")}`;
	// Busybox keeps its script open for a program whose `exec` has another input.
	const files = `</dev/null >&${output} 2>&1 ${CLOSE_OUTPUTS}`;
	return `(${enter}${exports.join("")}${become}) ${files}\ncode=$?\nexec ${output}>&-\necho $code\n`;
}
