import { Command } from "commander";
import { FolderLocked } from "../agent/machine/folder_lock.ts";
import { InvalidOption } from "../agent/options.ts";
import manifest from "../package.json" with { type: "json" };
import { ApiError } from "../schema/wire/errors.ts";
import { agentCommand } from "./agent_command.ts";
import { agentTokensCommand } from "./commands/agent_tokens.ts";
import { agentsCommand } from "./commands/agents.ts";
import { artifactsCommand } from "./commands/artifacts.ts";
import { deliveriesCommand } from "./commands/deliveries.ts";
import { execCommand } from "./commands/exec.ts";
import { lintCommand } from "./commands/lint.ts";
import { logsCommand } from "./commands/logs.ts";
import { pipelinesCommand } from "./commands/pipelines.ts";
import { projectsCommand } from "./commands/projects.ts";
import { queueCommand } from "./commands/queue.ts";
import { runCommand } from "./commands/run.ts";
import {
	approveCommand,
	cancelCommand,
	declineCommand,
	deleteCommand,
	explainCommand,
	listCommand,
	rerunCommand,
	showCommand,
} from "./commands/runs.ts";
import { schedulesCommand } from "./commands/schedules.ts";
import { secretsCommand } from "./commands/secrets.ts";
import { sessionsCommand } from "./commands/sessions.ts";
import { demoCommand } from "./demo.ts";
import { UsageError } from "./failures.ts";
import { keysCommand } from "./keys_command.ts";
import { hideOwnSecrets } from "./own_secrets.ts";
import { serveCommand } from "./serve.ts";
import { endWhenUnread, endWith, goOnUnread } from "./standard_output.ts";
import { goWherePersonStands } from "./standing.ts";
import { tokenCommand } from "./token_command.ts";
import { userPath } from "./user_path.mjs";

/** Commands that have more to do than to print: they go on, or clean up, when nobody reads them any more. */
const UNHEARD: ReadonlySet<string> = new Set(["serve", "agent", "demo", "exec"]);

const OLDEST_NODE = [22, 19] as const;

/** Says one sentence for every failure that a person can do something about; exit code 2 for a wrong set-up. */
function report(error: unknown): number {
	if (error instanceof UsageError || error instanceof InvalidOption || error instanceof FolderLocked) {
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
	const program = new Command("windlass")
		.description("A self-hosted CI and job coordinator, and its agents.")
		.version(manifest.version)
		.showSuggestionAfterError()
		.addCommand(serveCommand(setExitCode))
		.addCommand(agentCommand())
		.addCommand(tokenCommand())
		.addCommand(keysCommand())
		.addCommand(demoCommand(setExitCode))
		.addCommand(lintCommand(setExitCode))
		.addCommand(execCommand(setExitCode))
		.addCommand(runCommand(setExitCode))
		.addCommand(logsCommand(setExitCode))
		.addCommand(listCommand())
		.addCommand(showCommand())
		.addCommand(explainCommand())
		.addCommand(cancelCommand())
		.addCommand(rerunCommand(setExitCode))
		.addCommand(deleteCommand())
		.addCommand(approveCommand())
		.addCommand(declineCommand())
		.addCommand(artifactsCommand())
		.addCommand(projectsCommand())
		.addCommand(pipelinesCommand(setExitCode))
		.addCommand(schedulesCommand())
		.addCommand(deliveriesCommand())
		.addCommand(secretsCommand())
		.addCommand(sessionsCommand())
		.addCommand(agentsCommand())
		.addCommand(queueCommand())
		.addCommand(agentTokensCommand());
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
