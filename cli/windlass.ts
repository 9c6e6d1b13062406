import type { Command } from "commander";
import { FolderLocked } from "../agent/machine/folder_lock.ts";
import { InvalidOption } from "../agent/options.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { enterCallersFolder } from "./callers_folder.ts";
import { EXIT } from "./exit_codes.ts";
import { hideOwnSecrets } from "./own_secrets.ts";
import { programOf } from "./program.ts";
import { exitOnClosedPipe, exitWhenWritten, keepRunningOnClosedPipe } from "./standard_output.ts";
import { UsageError } from "./usage_error.ts";
import { userPath } from "./user_path.mjs";

/**
 * Commands that do more than print: they keep running, or clean up, when the reader of their output
 * has gone.
 */
const OUTLIVES_READER: ReadonlySet<string> = new Set(["serve", "agent", "demo", "exec"]);

const OLDEST_NODE = [22, 19] as const;

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

async function main(): Promise<number> {
	hideOwnSecrets();
	enterCallersFolder();
	// Started by npm or not: jobs, probes and git get the user's own PATH.
	if (process.env.PATH) process.env.PATH = userPath(process.env.PATH);
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
		throw new UsageError(`Node ${process.versions.node} is too old. Install version ${OLDEST_NODE.join(".")} or later.`);
	}
	let exitCode: number = EXIT.succeeded;
	const setExitCode = (code: number) => {
		exitCode = code;
	};
	const program = await programOf(setExitCode, process.argv[2]);
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

exitOnClosedPipe();

void main().catch(reportError).then(exitWhenWritten);
