import { Command } from "commander";
import manifest from "../package.json" with { type: "json" };
import { agentCommand } from "./agent_command.ts";
import { agentTokensCommand } from "./commands/agent_tokens.ts";
import { agentsCommand } from "./commands/agents.ts";
import { approveCommand, declineCommand } from "./commands/approvals.ts";
import { artifactsCommand } from "./commands/artifacts.ts";
import { deliveriesCommand } from "./commands/deliveries.ts";
import { execCommand } from "./commands/exec.ts";
import { explainCommand } from "./commands/explain.ts";
import { lintCommand } from "./commands/lint.ts";
import { logsCommand } from "./commands/logs.ts";
import { pipelinesCommand } from "./commands/pipelines.ts";
import { projectsCommand } from "./commands/projects.ts";
import { queueCommand } from "./commands/queue.ts";
import { rerunCommand } from "./commands/rerun.ts";
import { runCommand } from "./commands/run.ts";
import { cancelCommand, deleteCommand, listCommand } from "./commands/runs.ts";
import { schedulesCommand } from "./commands/schedules.ts";
import { secretsCommand } from "./commands/secrets.ts";
import { sessionsCommand } from "./commands/sessions.ts";
import { showCommand } from "./commands/show.ts";
import { demoCommand } from "./demo.ts";
import { EXIT_CODES } from "./exit_codes.ts";
import { keysCommand } from "./keys_command.ts";
import { serveCommand } from "./serve/serve.ts";
import { tokenCommand } from "./token_command.ts";

/**
 * The `windlass` program with all of its commands.
 * @param setExitCode called by commands that end with another code than 0
 */
export function programOf(setExitCode: (code: number) => void): Command {
	return new Command("windlass")
		.description("A self-hosted CI and job coordinator, and its agents.")
		.version(manifest.version)
		.showSuggestionAfterError()
		.addHelpText("after", EXIT_CODES)
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
}
