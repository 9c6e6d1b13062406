import { writeFileSync } from "node:fs";
import { assertFits, findShell } from "../processes/cannot_start.ts";
import type { Cgroup } from "../processes/cgroup.ts";
import { type Output, type RunningProcess, startProcess } from "../processes/start_process.ts";
import type { Starter } from "../processes/starter.ts";

/**
 * `sh` with pipefail if it has that option: busybox and POSIX.1-2024 do, older versions of dash do
 * not.
 */
const SH = `if (set -o pipefail) 2>/dev/null; then exec sh -eo pipefail "$@"; fi; exec sh -e "$@"`;

interface Shell {
	command: string[];
	/** The extension of its script files. */
	extension: string;
}

/**
 * How each shell runs a script file. A script ends at the first command that fails, if possible
 * also inside a pipe.
 */
const SHELLS: Record<string, Shell> = {
	bash: { command: ["bash", "-eo", "pipefail"], extension: "sh" },
	sh: { command: ["sh", "-c", SH, "sh"], extension: "sh" },
	python3: { command: ["python3"], extension: "py" },
	node: { command: ["node"], extension: "mjs" },
};

export interface Script {
	text: string;
	shell: string;
	/** The path of the script file, without its extension. */
	file: string;
	cwd: string;
	env: Record<string, string>;
	cgroup: Cgroup | null;
	/** A shell that waits for the command, in the control group; null: a process is started. */
	starter: Starter | null;
}

/** @throws Error for an unknown shell */
export function shellCommand(name: string): Shell {
	const shell = SHELLS[name];
	if (!shell) throw new Error(`This agent does not support the shell ${name}. It supports ${Object.keys(SHELLS).join(", ")}.`);
	return shell;
}

/**
 * Writes a script to its file and starts it.
 * @throws CannotStart
 */
export async function startScript(script: Script, output: Output): Promise<RunningProcess> {
	const shell = shellCommand(script.shell);
	const file = `${script.file}.${shell.extension}`;
	const [name = "", ...args] = shell.command;
	const program = findShell(name, script.env);
	assertFits(script.env);
	writeFileSync(file, script.text, { mode: 0o600 });
	const command = [program, ...args, file];
	if (script.starter) return script.starter.start(command, script.cwd, script.env, output);
	return startProcess(command, script, output);
}
