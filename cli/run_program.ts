import type { Command } from "commander";
import { FolderLocked } from "../agent/machine/folder_lock.ts";
import { InvalidOption } from "../agent/options.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { enterCallersFolder } from "./callers_folder.ts";
import { EXIT } from "./exit_codes.ts";
import { hideOwnSecrets } from "./own_secrets.ts";
import { exitOnClosedPipe, exitWhenWritten, keepRunningOnClosedPipe } from "./standard_output.ts";
import { UsageError } from "./usage_error.ts";
import { userPath } from "./user_path.mjs";

/**
 * Commands that do more than print: they keep running, or clean up, when the reader of their output
 * has gone.
 */
const OUTLIVES_READER: ReadonlySet<string> = new Set(["serve", "agent", "windlass-agent", "demo", "exec"]);

/**
 * Prints one sentence for an error that a person can fix, and the stack for others.
 * @returns the exit code
 */
function reportError(error: unknown): number {
	if (error instanceof UsageError || error instanceof InvalidOption || error instanceof FolderLocked) {
		process.stderr.write(`windlass: ${error.message}\n`);
		return EXIT.usage;
	}
	if (error instanceof ApiError) {
		process.stderr.write(`windlass: ${error.message}${error.suggestions.map((hint) => `\n  ${hint}`).join("")}\n`);
		return EXIT.failed;
	}
	process.stderr.write(`windlass: ${(error as Error).stack ?? String(error)}\n`);
	return EXIT.failed;
}

/** Makes every command, however deep, throw where commander would end the process. */
function throwOnExit(command: Command): void {
	command.exitOverride();
	for (const inner of command.commands) throwOnExit(inner);
}

async function run(makeProgram: (setExitCode: (code: number) => void) => Promise<Command>): Promise<number> {
	hideOwnSecrets();
	enterCallersFolder();
	// Started by npm or not: jobs, probes and git get the user's own PATH.
	if (process.env.PATH) process.env.PATH = userPath(process.env.PATH);
	let exitCode: number = EXIT.succeeded;
	const setExitCode = (code: number) => {
		exitCode = code;
	};
	const program = await makeProgram(setExitCode);
	throwOnExit(program);
	program.hook("preAction", (_, action) => {
		if (OUTLIVES_READER.has(action.name())) keepRunningOnClosedPipe();
	});
	// An empty variable, as compose files write it, counts as unset.
	for (const [name, value] of Object.entries(process.env)) if (name.startsWith("WINDLASS_") && value === "") delete process.env[name];
	try {
		await program.parseAsync();
	} catch (error) {
		const { code, exitCode: asked } = error as { code?: string; exitCode?: number };
		if (!code?.startsWith("commander.")) throw error;
		// commander has printed the error; help and version are no errors.
		return asked === 0 ? EXIT.succeeded : EXIT.usage;
	}
	return exitCode;
}

/**
 * Runs a program with the arguments of this process, and ends the process with its exit code.
 * @param makeProgram makes it; `setExitCode` is for commands that end with another code than 0
 */
export function runProgram(makeProgram: (setExitCode: (code: number) => void) => Promise<Command>): void {
	exitOnClosedPipe();
	void run(makeProgram).catch(reportError).then(exitWhenWritten);
}
