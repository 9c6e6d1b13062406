import { Command } from "commander";
import { expect, test } from "vitest";
import { agentCommand } from "../../cli/agent_command.ts";
import { agentTokensCommand } from "../../cli/commands/agent_tokens.ts";
import { agentsCommand } from "../../cli/commands/agents.ts";
import { artifactsCommand } from "../../cli/commands/artifacts.ts";
import { deliveriesCommand } from "../../cli/commands/deliveries.ts";
import { execCommand } from "../../cli/commands/exec.ts";
import { lintCommand } from "../../cli/commands/lint.ts";
import { logsCommand } from "../../cli/commands/logs.ts";
import { pipelinesCommand } from "../../cli/commands/pipelines.ts";
import { projectsCommand } from "../../cli/commands/projects.ts";
import { queueCommand } from "../../cli/commands/queue.ts";
import { runCommand } from "../../cli/commands/run.ts";
import * as runs from "../../cli/commands/runs.ts";
import { schedulesCommand } from "../../cli/commands/schedules.ts";
import { secretsCommand } from "../../cli/commands/secrets.ts";
import { sessionsCommand } from "../../cli/commands/sessions.ts";
import { demoCommand } from "../../cli/demo.ts";
import { serveCommand } from "../../cli/serve.ts";
import { tokenCommand } from "../../cli/token_command.ts";

const ignore = () => undefined;
const program = new Command("windlass");
for (const command of [
	serveCommand(ignore),
	agentCommand(),
	tokenCommand(),
	demoCommand(ignore),
	lintCommand(ignore),
	execCommand(ignore),
	runCommand(ignore),
	logsCommand(ignore),
	runs.listCommand(),
	runs.showCommand(),
	runs.explainCommand(),
	runs.cancelCommand(),
	runs.rerunCommand(ignore),
	runs.deleteCommand(),
	runs.approveCommand(),
	runs.declineCommand(),
	artifactsCommand(),
	projectsCommand(),
	pipelinesCommand(ignore),
	schedulesCommand(),
	deliveriesCommand(),
	secretsCommand(),
	sessionsCommand(),
	agentsCommand(),
	queueCommand(),
	agentTokensCommand(),
])
	program.addCommand(command);

const withInner = (command: Command): Command[] => [command, ...command.commands.flatMap(withInner)];
const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name());

test.each(program.commands.flatMap(withInner).map((command) => [pathOf(command), command] as const))(
	"%s --help shows an example",
	(_, command) => {
		let help = "";
		command.configureOutput({ writeOut: (text) => (help += text) });
		command.outputHelp();
		expect(help).toMatch(/Example:\n {2}windlass /);
	},
);
