import { Command } from "commander";
import manifest from "../package.json" with { type: "json" };
import { addRoles } from "./commands/command_roles.ts";
import { EXIT_CODES } from "./exit_codes.ts";

type SetExitCode = (code: number) => void;

/** The commands by their names, in the order of the help. Each loads its code when it is needed. */
const COMMANDS: Readonly<Record<string, (setExitCode: SetExitCode) => Promise<Command>>> = {
	serve: async (setExitCode) => (await import("./serve/serve.ts")).serveCommand(setExitCode),
	agent: async () => (await import("./agent_command.ts")).agentCommand(),
	token: async () => (await import("./token_command.ts")).tokenCommand(),
	login: async () => (await import("./commands/login.ts")).loginCommand(),
	logout: async () => (await import("./commands/login.ts")).logoutCommand(),
	whoami: async () => (await import("./commands/tokens.ts")).whoamiCommand(),
	keys: async () => (await import("./keys_command.ts")).keysCommand(),
	service: async () => (await import("./service/service_command.ts")).serviceCommand(),
	backup: async () => (await import("./backup_command.ts")).backupCommand(),
	restore: async () => (await import("./backup_command.ts")).restoreCommand(),
	demo: async (setExitCode) => (await import("./demo/demo.ts")).demoCommand(setExitCode),
	lint: async (setExitCode) => (await import("./commands/lint.ts")).lintCommand(setExitCode),
	exec: async (setExitCode) => (await import("./commands/exec.ts")).execCommand(setExitCode),
	run: async (setExitCode) => (await import("./commands/run.ts")).runCommand(setExitCode),
	graph: async () => (await import("./commands/graph.ts")).graphCommand(),
	logs: async (setExitCode) => (await import("./commands/logs.ts")).logsCommand(setExitCode),
	ls: async () => (await import("./commands/runs.ts")).listCommand(),
	show: async () => (await import("./commands/show.ts")).showCommand(),
	explain: async () => (await import("./commands/explain.ts")).explainCommand(),
	why: async () => (await import("./commands/why.ts")).whyCommand(),
	cancel: async () => (await import("./commands/runs.ts")).cancelCommand(),
	rerun: async (setExitCode) => (await import("./commands/rerun.ts")).rerunCommand(setExitCode),
	rm: async () => (await import("./commands/runs.ts")).deleteCommand(),
	approve: async () => (await import("./commands/approvals.ts")).approveCommand(),
	decline: async () => (await import("./commands/approvals.ts")).declineCommand(),
	artifacts: async () => (await import("./commands/artifacts.ts")).artifactsCommand(),
	caches: async () => (await import("./commands/caches.ts")).cachesCommand(),
	projects: async () => (await import("./commands/projects.ts")).projectsCommand(),
	pipelines: async (setExitCode) => (await import("./commands/pipelines.ts")).pipelinesCommand(setExitCode),
	schedules: async () => (await import("./commands/schedules.ts")).schedulesCommand(),
	deliveries: async () => (await import("./commands/deliveries.ts")).deliveriesCommand(),
	secrets: async () => (await import("./commands/secrets.ts")).secretsCommand(),
	"identity-providers": async () => (await import("./commands/identity_providers.ts")).identityProvidersCommand(),
	teams: async () => (await import("./commands/teams.ts")).teamsCommand(),
	people: async () => (await import("./commands/people.ts")).peopleCommand(),
	audit: async (setExitCode) => (await import("./commands/audit.ts")).auditCommand(setExitCode),
	sessions: async () => (await import("./commands/sessions.ts")).sessionsCommand(),
	agents: async () => (await import("./commands/agents.ts")).agentsCommand(),
	quotas: async () => (await import("./commands/quotas.ts")).quotasCommand(),
	queue: async () => (await import("./commands/queue.ts")).queueCommand(),
	"agent-tokens": async () => (await import("./commands/agent_tokens.ts")).agentTokensCommand(),
};

/**
 * The `windlass` program with its commands.
 * @param setExitCode called by commands that end with another code than 0
 * @param first the first argument: if it names a command, the program has only that one
 */
export async function programOf(setExitCode: SetExitCode, first?: string): Promise<Command> {
	const program = new Command("windlass")
		.description("A self-hosted CI and job coordinator, and its agents.")
		.version(manifest.version)
		.showSuggestionAfterError()
		.addHelpText("after", EXIT_CODES);
	const only = first !== undefined && Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
	for (const command of await Promise.all((only ? [only] : Object.values(COMMANDS)).map((load) => load(setExitCode)))) {
		program.addCommand(addRoles(command));
	}
	return program;
}
