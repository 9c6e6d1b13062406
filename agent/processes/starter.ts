import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { Cgroup } from "./cgroup.ts";
import { quoted } from "./shell_quoting.ts";
import { type Output, type RunningProcess, watchProcess } from "./start_process.ts";

/**
 * `sh` joins the control group and starts a second shell, which waits for a script on its input and
 * becomes the command. As in start_process.ts, the first one waits for the command and traps the
 * signals that are meant for it.
 */
const WAIT = 'echo $$ > "$1"; trap : HUP INT QUIT PIPE ALRM TERM USR1 USR2; (exec /bin/sh); exit $?';

/**
 * Variables that a shell keeps for itself. They are set by env(1), as names that are no
 * identifiers.
 */
const KEPT_BY_SHELLS: ReadonlySet<string> = new Set([
	...["_", "BASHOPTS", "BASHPID", "EUID", "GROUPS", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PPID", "PWD", "RANDOM", "SECONDS"],
	...["SHELLOPTS", "UID"],
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
		this.#script.on("error", () => undefined);
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

	/** Starts the command. It can be called once. */
	start(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>, destination: Output): RunningProcess {
		this.#isWaiting = false;
		const running = watchProcess(this.#child, destination);
		this.#script.end(scriptOf(command, cwd, env));
		return running;
	}

	/** Ends it and removes its group, if it still waits. */
	async drop(): Promise<void> {
		if (!this.#isWaiting) return;
		const ended = new Promise((resolve) => this.#child.once("exit", resolve));
		this.#isWaiting = false;
		this.#child.stdout?.resume();
		this.#script.end();
		await ended;
		this.cgroup.remove();
	}

	get #script(): Writable {
		return this.#child.stdin as Writable;
	}
}

function scriptOf(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>): string {
	const entries = Object.entries(env);
	const isPlain = ([name]: [string, string]) => IDENTIFIER.test(name) && !KEPT_BY_SHELLS.has(name);
	const exports = entries.filter(isPlain).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
	const others = entries.filter((entry) => !isPlain(entry)).map(([name, value]) => quoted(`${name}=${value}`));
	const words = [...(others.length > 0 ? ["/usr/bin/env", ...others] : []), ...command.map(quoted)];
	return `cd -P -- ${quoted(cwd)} || exit 1\n${exports.join("")}exec ${words.join(" ")} </dev/null 2>&1\n`;
}
