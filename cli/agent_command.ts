import { Command } from "commander";
import { AgentHost } from "../agent/host.ts";
import { readAgentOptions } from "../agent/options.ts";
import manifest from "../package.json" with { type: "json" };

/** `windlass agent`: an agent on this host. */
export function agentCommand(): Command {
	return new Command("agent")
		.description("Run jobs for a coordinator.")
		.option("--server <url>", "the coordinator's address")
		.option("--token <token>", "a registration token, for the first start (better: WINDLASS_TOKEN or WINDLASS_TOKEN_FILE)")
		.option("--name <name>", "this agent's name (default: the host's)")
		.option("--slots <n>", "how many jobs run at once (default: 1)")
		.option("--labels <list>", "labels that jobs can ask for, with commas between")
		.option("--work-dir <folder>", "state and workspaces (default: ~/.windlass-agent)")
		.option("--config <file>", "a YAML file with these settings")
		.option("--ca-file <file>", "certificates (PEM) to trust beside the system's")
		.option("--pass-env <names>", "variables of this environment that jobs inherit, with commas between")
		.option("--health-port <n>", "answer /healthz and /readyz on this port of this machine")
		.option("--spool-limit <size>", "how much disk unsent logs may take (default: 1GiB)")
		.option("--probes <list>", "further tools: name=command that says the version, with semicolons between")
		.option("--allow-devices <list>", "devices (/dev/…) that jobs in containers may have, with commas between")
		.option("--registry-credentials <file>", "a YAML file of credentials for registries that jobs may use by name")
		.option("--once", "end after one job")
		.option("--idle-exit <duration>", "end after having been idle for this long, such as 5m")
		.addHelpText(
			"after",
			"\nExample:\n  windlass agent --server https://ci.example.com --name builder-1 --slots 4 --labels gpu   # with WINDLASS_TOKEN",
		)
		.action(async ({ config, once, ...flags }: Record<string, string> & { once?: boolean }) => {
			const raw = Object.fromEntries(
				Object.entries(flags).map(([name, value]) => [name.replace(/[A-Z]/g, (char) => `-${char.toLowerCase()}`), value]),
			);
			if (once) raw.once = "true";
			const host = await AgentHost.open(
				readAgentOptions(raw, process.env, config ?? process.env.WINDLASS_CONFIG ?? null),
				manifest.version,
			);
			for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => host.agent.drain());
			await host.run();
		});
}
