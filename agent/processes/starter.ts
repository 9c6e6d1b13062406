import { type ChildProcess, spawn } from "node:child_process";
import type { Cgroup } from "./cgroup.ts";
import { quoted } from "./shell_quoting.ts";
import { type Output, type RunningProcess, watchProcess } from "./start_process.ts";

/**
 * `sh` joins the control group and starts a second shell, which waits for a script on its input and
 * becomes the command. As in start_process.ts, the first one waits for the command and traps the
 * signals that are meant for it.
 */
const WAIT = 'echo $$ > "$1"; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2; (exec /bin/sh); exit $?';

/** Variables that shells keep for themselves or do not let go. */
const KEPT_BY_SHELLS: ReadonlySet<string> = new Set([
	...["_", "BASHOPTS", "BASHPID", "BASH_VERSINFO", "EUID", "GROUPS", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PPID", "PWD"],
	...["RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "UID"],
]);
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * A process that waits in a control group for its command. The kernel takes some ten milliseconds
 * to move a process into a group when none was moved of late, so a free slot does it ahead.
 */
export class Starter {
	readonly cgroup: Cgroup;
	readonly #child: ChildProcess;
	#isWaiting = true;

	private constructor(cgroup: Cgroup, child: ChildProcess) {
		this.cgroup = cgroup;
		this.#child = child;
		const end = () => {
			this.#isWaiting = false;
		};
		child.once("error", end).once("exit", end);
		// Without file descriptors, the child has no pipes.
		child.stdin?.on("error", () => undefined);
	}

	static prepare(cgroup: Cgroup): Starter {
		const child = spawn("/bin/sh", ["-c", WAIT, "sh", cgroup.entry], {
			cwd: "/",
			env: {},
			detached: true,
			stdio: ["pipe", "pipe", "ignore"],
		});
		return new Starter(cgroup, child);
	}

	/** Whether it still waits for its command. */
	get isWaiting(): boolean {
		return this.#isWaiting;
	}

	/** Whether its shell can set all of these variables. */
	canSet(env: Readonly<Record<string, string>>): boolean {
		return Object.keys(env).every((name) => IDENTIFIER.test(name) && !KEPT_BY_SHELLS.has(name));
	}

	/** Starts the command, with variables that it can set. It can be called once. */
	start(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>, destination: Output): RunningProcess {
		this.#isWaiting = false;
		const running = watchProcess(this.#child, destination);
		this.#child.stdin?.end(scriptOf(command, cwd, env));
		return running;
	}

	/** Ends it, if it still waits. */
	async drop(): Promise<void> {
		if (!this.#isWaiting) return;
		const ended = new Promise((resolve) => this.#child.once("exit", resolve));
		this.#isWaiting = false;
		this.#child.stdout?.resume();
		this.#child.stdin?.end();
		await ended;
	}
}

function scriptOf(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>): string {
	const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
	return `cd -P -- ${quoted(cwd)} || exit 1\nunset OLDPWD PWD\n${exports.join("")}exec ${command.map(quoted).join(" ")} </dev/null 2>&1\n`;
}
