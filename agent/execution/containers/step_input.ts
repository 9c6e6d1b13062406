import { COMMAND_NOT_FOUND } from "../../processes/exit_codes.ts";
import { quoted } from "../../processes/shell_quoting.ts";
import { shellCommand } from "../step_shell.ts";
import { OWN_FOLDER } from "./run_options.ts";

/** The name of the git configuration beside the step's scripts. */
export const GIT_SETTINGS = "gitconfig";
/**
 * The workspace may belong to another user than the container's, and git would not work in it
 * (CVE-2022-24765). The workspace holds only files of the job. All paths, because submodules are
 * repositories, too. As a system file, because git before 2.38 ignores this setting in variables.
 */
export const TRUSTING_GIT_SETTINGS = "[include]\n\tpath = /etc/gitconfig\n[safe]\n\tdirectory = *\n";
/**
 * Git before 2.32 does not know GIT_CONFIG_SYSTEM, and distributions have added the check to
 * versions as old as 2.17.
 */
const TRUST_IN_OLD_GIT = `case "$(git --version 2>/dev/null)" in
"git version 2."[0-9].*|"git version 2."[12][0-9].*|"git version 2."3[01].*) git config --global --replace-all safe.directory '*' ;;
esac`;

interface StepInput {
	number: number;
	/** The script's file name. */
	script: string;
	/** The shell's name, or `default`: bash if the image has it, otherwise sh. */
	shell: string;
	env: Readonly<Record<string, string>>;
	/** Folders before those of the PATH. */
	path: readonly string[];
	/** The working directory in the container. */
	folder: string;
	home: string;
	/** Whether files of the workspace may belong to another user than the container's. */
	isOtherUser: boolean;
}

/**
 * The commands that `docker exec … sh` reads to start a step. Values of variables go this way,
 * because every user of the machine can read command lines, and because no file may hold them.
 */
export function stepInput({ number, script, shell, env, path, folder, home, isOtherUser }: StepInput): string {
	const { command } = shellCommand(shellFor(shell));
	const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`);
	const addFolders = path.length === 0 ? [] : [`export PATH=${quoted(path.join(":"))}\${PATH:+:"$PATH"}`];
	const run = (words: readonly string[]) => `exec ${words.map(quoted).join(" ")} ${OWN_FOLDER}/steps/${script}`;
	const isMissing = `! command -v ${command[0]} >/dev/null 2>&1`;
	const giveUp = `{ : > ${OWN_FOLDER}/files/${missingShellFile(number)}; exit ${COMMAND_NOT_FOUND}; }`;
	const checkShell =
		shell === DEFAULT_SHELL
			? `if ${isMissing}; then command -v sh >/dev/null 2>&1 || ${giveUp}; ${run(shellCommand("sh").command)}; fi`
			: `if ${isMissing}; then ${giveUp}; fi`;
	// A user without a home folder has `/` or somebody else's. For some users `test -w` says yes on a
	// read-only file system.
	const probe = '"$HOME/.windlass-probe-$$"';
	const setHome = "HOME" in env ? [] : [`(: > ${probe} && rm ${probe}) 2>/dev/null || export HOME=${home}`];
	const trust = isOtherUser ? [TRUST_IN_OLD_GIT] : [];
	return `${[...exports, ...addFolders, ...setHome, ...trust, `cd ${quoted(folder)} || exit 1`, checkShell, run(command)].join("\n")}\n`;
}

const DEFAULT_SHELL = "default";

/** The shell that runs a step's script if the image has it. */
export function shellFor(shell: string): string {
	return shell === DEFAULT_SHELL ? "bash" : shell;
}

/** The shell without which a step cannot run. */
export function neededShell(shell: string): string {
	return shell === DEFAULT_SHELL ? "sh" : (shellCommand(shell).command[0] as string);
}

/** The file that says that the image does not have the shell of a step. */
export function missingShellFile(step: number): string {
	return `no-shell-${step}`;
}
