import type { Command } from "commander";
import { FolderLocked } from "../agent/machine/folder_lock.ts";
import { BadOption } from "../agent/options.ts";
import { ApiError } from "../schema/wire/errors.ts";
import { UsageError } from "./failures.ts";
import { hideOwnSecrets } from "./own_secrets.ts";
import { programOf } from "./program.ts";
import { endWhenUnread, endWith, goOnUnread } from "./standard_output.ts";
import { goWherePersonStands } from "./standing.ts";
import { userPath } from "./user_path.mjs";

/** Commands that have more to do than to print: they go on, or clean up, when nobody reads them any more. */
const UNHEARD: ReadonlySet<string> = new Set(["serve", "agent", "demo", "exec"]);

const OLDEST_NODE = [22, 19] as const;

/** Says one sentence for every failure that a person can do something about; exit code 2 for a wrong set-up. */
function report(error: unknown): number {
	if (error instanceof UsageError || error instanceof BadOption || error instanceof FolderLocked) {
		process.stderr.write(`windlass: ${error.message}\n`);
		return 2;
	}
	if (error instanceof ApiError) {
		process.stderr.write(`windlass: ${error.message}${error.suggestions.map((hint) => `\n  ${hint}`).join("")}\n`);
		return 1;
	}
	process.stderr.write(`windlass: ${(error as Error).stack ?? String(error)}\n`);
	return 1;
}

/** Makes every command, however deep, throw where commander would end the process. */
function throwOnExit(command: Command): void {
	command.exitOverride();
	for (const inner of command.commands) throwOnExit(inner);
}

async function main(): Promise<number> {
	hideOwnSecrets();
	goWherePersonStands();
	// Started by npm or not: jobs, probes and git get the PATH that this user has.
	if (process.env.PATH) process.env.PATH = userPath(process.env.PATH);
	const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
	if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
		throw new UsageError(`Node ${process.versions.node} is too old; version ${OLDEST_NODE.join(".")} or later is needed`);
	}
	let exitCode = 0;
	const setExitCode = (code: number) => {
		exitCode = code;
	};
	const program = programOf(setExitCode);
	throwOnExit(program);
	program.hook("preAction", (_, action) => {
		if (UNHEARD.has(action.name())) goOnUnread();
	});
	// An empty variable, as compose files write them, is none.
	for (const [name, value] of Object.entries(process.env)) if (name.startsWith("WINDLASS_") && value === "") delete process.env[name];
	try {
		await program.parseAsync();
	} catch (error) {
		const { code, exitCode: asked } = error as { code?: string; exitCode?: number };
		if (!code?.startsWith("commander.")) throw error;
		// commander has said what was wrong; help and version are no failures.
		return asked === 0 ? 0 : 2;
	}
	return exitCode;
}

endWhenUnread();

void main().catch(report).then(endWith);
